package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

// The controllers are those of kube-controller-manager. They are started here because its Run fixes the discovery period
// of the garbage collector at 30 s, during which objects of a new custom resource would not be collected, and because it
// adds all the other controllers.

const (
	// discoveryPeriod is the interval at which the garbage collector discovers new custom resources.
	discoveryPeriod = time.Second
	workers         = 10
)

// controllers is the state that the controllers share, mainly the caches.
type controllers struct {
	users    *credentials
	typed    informers.SharedInformerFactory
	metadata metadatainformer.SharedInformerFactory
}

// startControllers starts the controllers; cancelling ctx stops them. synced reports whether they watch every resource.
func startControllers(ctx context.Context, users *credentials) (synced func() bool, err error) {
	config := users.config(informersUser)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c := &controllers{
		users:    users,
		typed:    informers.NewSharedInformerFactory(client, 0),
		metadata: metadatainformer.NewSharedInformerFactory(metadataClient, 0),
	}
	started := make(chan struct{})
	if err := c.startNamespaces(ctx); err != nil {
		return nil, fmt.Errorf("namespace controller: %w", err)
	}
	if err := c.startServiceAccounts(ctx); err != nil {
		return nil, fmt.Errorf("service-account controller: %w", err)
	}
	if synced, err = c.startGarbageCollector(ctx, started); err != nil {
		return nil, fmt.Errorf("garbage collector: %w", err)
	}
	c.typed.Start(ctx.Done())
	c.metadata.Start(ctx.Done())
	close(started)
	return synced, nil
}

// startServiceAccounts starts the controller that gives each namespace its "default" service account.
func (c *controllers) startServiceAccounts(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.users.config(serviceAccountUser))
	if err != nil {
		return err
	}
	controller, err := serviceaccount.NewServiceAccountsController(
		klog.FromContext(ctx),
		c.typed.Core().V1().ServiceAccounts(),
		c.typed.Core().V1().Namespaces(),
		client,
		serviceaccount.DefaultServiceAccountsControllerOptions(),
	)
	if err != nil {
		return err
	}
	go controller.Run(ctx, workers)
	return nil
}

// startGarbageCollector starts the collector, which adds its own caches after started is closed.
func (c *controllers) startGarbageCollector(ctx context.Context, started <-chan struct{}) (synced func() bool, err error) {
	config := c.users.config(garbageCollectorUser)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	collector, err := garbagecollector.NewGarbageCollector(
		ctx, client, metadataClient,
		restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		garbagecollector.DefaultIgnoredResources(),
		informerfactory.NewInformerFactory(c.typed, c.metadata), started,
	)
	if err != nil {
		return nil, err
	}
	const initialSyncTimeout = 30 * time.Second
	go collector.Run(ctx, workers, initialSyncTimeout)
	go collector.Sync(ctx, client.Discovery(), discoveryPeriod)
	return func() bool { return collector.IsSynced(klog.FromContext(ctx)) }, nil
}
