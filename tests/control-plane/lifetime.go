package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// parentPoll is how often we look whether the parent is still there. Asking costs one system call; the kernel's
	// notification (PR_SET_PDEATHSIG) would tell of the end of the thread that started us, which a parent with a
	// pool of threads can reach long before its own.
	parentPoll = 250 * time.Millisecond
	// shutdownTime is what a graceful stop may take before the process just exits. As everything is one process,
	// nothing outlives that.
	shutdownTime = 3 * time.Second
)

// parentAtStart is read before anything else happens, for the narrowest gap in which its death goes unnoticed.
var parentAtStart = os.Getppid()

// lifetime returns a context that ends, with the reason as its cause, when the process is asked to stop or its parent
// is gone. expected is the parent's process id if the parent told it, otherwise 0: then a parent that died before we
// got here is taken for whoever adopted us.
func lifetime(expected int) (context.Context, error) {
	parent := parentAtStart
	if expected != 0 && parent != expected {
		return nil, fmt.Errorf("process %d is not the parent of this one, or is gone already", expected)
	}
	ctx, end := context.WithCancelCause(context.Background())

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		end(fmt.Errorf("stopped by %v", <-signals))
	}()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(parentPoll)
		}
		end(fmt.Errorf("the parent, process %d, is gone", parent))
	}()
	return ctx, nil
}

// exitAfter ends the process after d, for the case that a graceful stop does not come to its end.
func exitAfter(d time.Duration, code int, cleanup func()) {
	time.AfterFunc(d, func() {
		cleanup()
		os.Exit(code)
	})
}
