package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// maxSocketPath is the maximum length of the path of a unix socket on Linux.
const maxSocketPath = 107

// etcdSocket returns the address of etcd of the instance in dir. A unix socket needs no free port, and unlike a loopback
// port it is closed to other users.
func etcdSocket(dir string) string {
	return filepath.Join(dir, "etcd.sock")
}

// startEtcd starts a one-member etcd with its data below dir.
func startEtcd(ctx context.Context, dir string, logger *zap.Logger) (*embed.Etcd, error) {
	socket := etcdSocket(dir)
	if len(socket) > maxSocketPath {
		return nil, fmt.Errorf("etcd: the path of its socket, %s, is longer than %d characters; use a shorter directory", socket, maxSocketPath)
	}

	// No client uses these two listeners, but etcd requires them; port 0 cannot collide with another instance.
	unused := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}

	config := embed.NewConfig()
	config.Name = "etcd"
	config.Dir = filepath.Join(dir, "etcd")
	config.ListenClientUrls = []url.URL{{Scheme: "unix", Path: socket}}
	config.AdvertiseClientUrls = unused
	config.ListenPeerUrls = unused
	config.AdvertisePeerUrls = unused
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	// The state need not survive the machine.
	config.UnsafeNoFsync = true
	// The only member waits for an election timeout before it elects itself; the default is most of a second.
	config.TickMs, config.ElectionMs = 20, 100
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return nil, fmt.Errorf("etcd: %w", err)
	case <-etcd.Server.StopNotify():
		return nil, errors.New("etcd stopped while starting")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
