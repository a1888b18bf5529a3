package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// apiServer is a running kube-apiserver.
type apiServer struct {
	loopback *rest.Config // for the server's own user, system:apiserver
	done     chan error   // receives the result once the server has ended
}

// startAPIServer starts kube-apiserver on listener; cancelling ctx stops it. It does not wait for readiness.
func startAPIServer(ctx context.Context, dir, auditLog string, listener net.Listener, keys *pki, tokenFile string) (*apiServer, error) {
	policyFile := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policyFile, auditPolicy, 0o600); err != nil {
		return nil, err
	}

	// The flags are the stable interface of kube-apiserver; the fields behind them change between releases.
	opts := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range opts.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := flags.Parse([]string{
		"--etcd-servers=unix://" + etcdSocket(dir),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1", // the default needs a network, which a test may lack
		"--secure-port=" + strconv.Itoa(port),
		"--endpoint-reconciler-type=none", // the reconciler rejects a loopback address
		"--service-cluster-ip-range=10.0.0.0/16",
		"--tls-cert-file=" + keys.servingCert,
		"--tls-private-key-file=" + keys.servingKey,
		"--token-auth-file=" + tokenFile,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keys.serviceAccountKey,
		"--service-account-signing-key-file=" + keys.serviceAccountKey,
		"--disable-admission-plugins=ServiceAccount", // its pods need a CA bundle that no controller here publishes
		"--audit-policy-file=" + policyFile,
		"--audit-log-path=" + auditLog,
		"--audit-log-mode=blocking", // a request is in the log before its response is sent
		"--profiling=false",
	}); err != nil {
		return nil, err
	}
	// The listener already holds the port, so no other process can take it.
	opts.SecureServing.Listener = listener

	if err := opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	completed, err := opts.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return nil, utilerrors.NewAggregate(errs)
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	completedConfig, err := config.Complete()
	if err != nil {
		return nil, err
	}
	server, err := app.CreateServerChain(completedConfig)
	if err != nil {
		return nil, err
	}
	// A watch lasts until its client disconnects, and the server would wait for it up to the request timeout of 60 s.
	// The server waits for other requests regardless.
	server.GenericAPIServer.ShutdownTimeout = 100 * time.Millisecond
	prepared, err := server.PrepareRun()
	if err != nil {
		return nil, err
	}

	s := &apiServer{loopback: server.GenericAPIServer.LoopbackClientConfig, done: make(chan error, 1)}
	go func() {
		err := prepared.Run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("ended by itself")
		}
		if err != nil {
			err = fmt.Errorf("kube-apiserver: %w", err)
		}
		s.done <- err
	}()
	return s, nil
}
