package main

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/namespace/deletion"
)

// The namespace controller deletes the objects of a namespace that is being deleted, then removes its finalizer. The
// deletion is upstream's. The queue is local, because upstream waits 5 s before it starts (for other API servers and etcd
// members, of which there are none) and 8 s before it checks objects with finalizers again.
const (
	// namespaceGrace is the time until the cache of the API server shows that the namespace accepts no more objects.
	namespaceGrace = 200 * time.Millisecond
	namespaceRetry = 500 * time.Millisecond
)

func (c *controllers) startNamespaces(ctx context.Context) error {
	config := c.users.config(namespaceUser)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	deleter := deletion.NewNamespacedResourcesDeleter(
		ctx, client.CoreV1().Namespaces(), metadataClient, client.CoreV1(),
		client.Discovery().ServerPreferredNamespacedResources, corev1.FinalizerKubernetes,
	)

	queue := workqueue.NewTypedDelayingQueue[string]()
	enqueue := func(obj any) {
		if namespace := obj.(*corev1.Namespace); namespace.DeletionTimestamp != nil {
			queue.AddAfter(namespace.Name, namespaceGrace)
		}
	}
	if _, err := c.typed.Core().V1().Namespaces().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, obj any) { enqueue(obj) },
	}); err != nil {
		return err
	}

	context.AfterFunc(ctx, queue.ShutDown)
	for range workers {
		go func() {
			for {
				name, quit := queue.Get()
				if quit {
					return
				}
				if err := deleter.Delete(ctx, name); err != nil {
					if !errors.As(err, new(*deletion.ResourcesRemainingError)) {
						klog.FromContext(ctx).Error(err, "Emptying a namespace failed", "namespace", name)
					}
					queue.AddAfter(name, namespaceRetry)
				}
				queue.Done(name)
			}
		}()
	}
	return nil
}
