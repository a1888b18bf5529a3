package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// startTime is the deadline of the start.
const startTime = 60 * time.Second

// readyLine is the line that serve prints when the cluster is ready.
type readyLine struct {
	Server     string `json:"server"`
	Kubeconfig string `json:"kubeconfig"`
	AuditLog   string `json:"auditLog"`
	Dir        string `json:"dir"`
	PID        int    `json:"pid"`
}

// serve runs a control plane until its lifetime ends, and returns the exit code.
func serve(args []string) int {
	fail := func(err error) int {
		fmt.Fprintf(os.Stderr, "control-plane: %v\n", err)
		return exitFailed
	}

	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the default output would get a second usage text
	dirFlag := flags.String("dir", "", "")
	auditLog := flags.String("audit-log", "", "")
	parent := flags.Int("parent-pid", 0, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		return exitOK
	} else if err != nil {
		fail(fmt.Errorf("%w; see control-plane --help", err))
		return exitUsage
	}
	if flags.NArg() != 0 {
		fail(fmt.Errorf("serve takes no argument %q; see control-plane --help", flags.Arg(0)))
		return exitUsage
	}

	ctx, err := lifetime(*parent)
	if err != nil {
		return fail(err)
	}
	dir, err := openWorkdir(*dirFlag)
	if err != nil {
		return fail(err)
	}
	stdout, logFile := os.Stdout, dir.file("control-plane.log")
	failWithLog := func(err error) int { return fail(fmt.Errorf("%w (log: %s)", err, logFile)) }
	etcdLogger, err := logTo(logFile, func(why string) { os.Exit(failWithLog(errors.New(why))) })
	if err != nil {
		return fail(err)
	}

	c := &cluster{dir: dir, etcdLogger: etcdLogger, auditLog: *auditLog}
	started := make(chan error, 1)
	starting, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("not ready after %v", startTime))
	defer cancel()
	go func() { started <- c.start(starting) }()

	select {
	case err = <-started:
	case <-starting.Done(): // some steps of the start ignore the context
		err = context.Cause(starting)
	}
	if ctx.Err() != nil {
		dir.remove()
		return exitOK
	}
	if err != nil {
		return failWithLog(err) // keeps a temporary directory, with its log, until the next sweep
	}
	if err := json.NewEncoder(stdout).Encode(c.ready); err != nil {
		return failWithLog(err)
	}

	select {
	case <-ctx.Done():
		klog.InfoS("Stopping", "reason", context.Cause(ctx))
	case err := <-c.apiServer.done:
		return failWithLog(err)
	}
	exitAfter(shutdownTime, exitOK, dir.remove)
	c.stop()
	dir.remove()
	return exitOK
}

// cluster holds the parts of a control plane.
type cluster struct {
	dir        *workdir
	etcdLogger *zap.Logger
	auditLog   string

	etcd      *embed.Etcd
	apiServer *apiServer
	cancel    context.CancelFunc
	ready     readyLine
}

// start starts the parts one after the other and returns when the cluster is ready. Cancelling ctx ends the start; only
// stop ends the parts.
func (c *cluster) start(ctx context.Context) (err error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel

	if c.auditLog == "" {
		c.auditLog = c.dir.file("audit.log")
	} else if c.auditLog, err = filepath.Abs(c.auditLog); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	keys, err := newPKI(c.dir.file("pki"))
	if err != nil {
		return err
	}
	server := "https://" + listener.Addr().String()
	tokens, kubeconfig := c.dir.file("tokens.csv"), c.dir.file("kubeconfig")
	users, err := newCredentials(server, keys.caPEM, tokens)
	if err != nil {
		return err
	}

	if c.etcd, err = startEtcd(ctx, c.dir.path, c.etcdLogger); err != nil {
		return err
	}
	if c.apiServer, err = startAPIServer(running, c.dir.path, c.auditLog, listener, keys, tokens); err != nil {
		return fmt.Errorf("kube-apiserver: %w", err)
	}
	if err := c.await(ctx, "kube-apiserver is not ready", apiReady(users)); err != nil {
		return err
	}

	// The controllers start last, because the API server creates their permissions at the end of its own start.
	synced, err := startControllers(running, users)
	if err != nil {
		return err
	}
	if err := c.await(ctx, "no default service account", defaultAccount(c.apiServer)); err != nil {
		return err
	}
	if err := c.await(ctx, "the garbage collector does not see all resources", func(context.Context) bool { return synced() }); err != nil {
		return err
	}

	if err := users.writeKubeconfig(kubeconfig); err != nil {
		return err
	}
	c.ready = readyLine{Server: server, Kubeconfig: kubeconfig, AuditLog: c.auditLog, Dir: c.dir.path, PID: os.Getpid()}
	return nil
}

// await polls until is returns true; problem is the error message if it never does.
func (c *cluster) await(ctx context.Context, problem string, is func(context.Context) bool) error {
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-c.apiServer.done:
			return false, err
		default:
			return is(ctx), nil
		}
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %s", context.Cause(ctx), problem)
	}
	return err
}

// apiReady reports whether the API server reports ready to the administrator.
func apiReady(users *credentials) func(context.Context) bool {
	client := kubernetes.NewForConfigOrDie(users.config(adminUser))
	return func(ctx context.Context) bool {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
	}
}

// defaultAccount reports whether the namespace "default" and its service account exist. It uses the identity of the API
// server, so that the audit log begins with the first request of a user.
func defaultAccount(s *apiServer) func(context.Context) bool {
	client := kubernetes.NewForConfigOrDie(s.loopback)
	return func(ctx context.Context) bool {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	}
}

// stop ends the parts in reverse order.
func (c *cluster) stop() {
	c.cancel()
	<-c.apiServer.done
	c.etcd.Close()
}
