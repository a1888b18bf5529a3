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
	// parentPoll is the interval of the check for the parent, which costs one system call. PR_SET_PDEATHSIG signals the
	// end of the thread that started this process, and a parent with a thread pool can end that thread long before
	// it ends itself.
	parentPoll = 250 * time.Millisecond
	// shutdownTime is the deadline of a graceful stop, after which the process exits. All parts run in this process, so
	// none outlives it.
	shutdownTime = 3 * time.Second
)

// parentAtStart is read first, to minimize the time in which the death of the parent goes undetected.
var parentAtStart = os.Getppid()

// lifetime returns a context that ends, with the reason as its cause, when the process is asked to stop or its parent
// is gone. expected is the process ID of the parent, or 0 if the parent did not pass it: then the death of the parent
// before this call is not detected.
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

// exitAfter ends the process after d, in case a graceful stop hangs.
func exitAfter(d time.Duration, code int, cleanup func()) {
	time.AfterFunc(d, func() {
		cleanup()
		os.Exit(code)
	})
}
