// Control-plane is a real Kubernetes control plane, small enough for a demo or a test: etcd, kube-apiserver and the
// garbage-collection, namespace and service-account controllers in one process, which also acts as kubectl.
// There is no kubelet, scheduler or workload controller: pods are stored but never run.
//
// This file holds the command line; serve.go starts and stops the parts in order.
//
// # Building
//
// The linker sets the version of Kubernetes for the server's /version and "kubectl version":
//
//	V=1.37.2 P=k8s.io/component-base/version C=k8s.io/client-go/pkg/version
//	go build -trimpath -o OUT -ldflags "-s -w -X $P.gitVersion=v$V -X $P.gitCommit= -X $P.gitMajor=1 -X $P.gitMinor=37 \
//	  -X $C.gitVersion=v$V -X $C.gitCommit=" .
//
// # Moving to another version of Kubernetes
//
// k8s.io/kubernetes requires its staging modules (k8s.io/api, k8s.io/client-go, ...) at v0.0.0, which only its own
// source tree can resolve; go.mod therefore replaces each of them with the matching release (v0.X.Y for v1.X.Y). To move: set the new v1.X.Y and v0.X.Y throughout go.mod, compare its list with the "replace" block of that
// release's own go.mod (releases add and remove modules), take etcd's version from there too, and run "go mod tidy". Set the
// version in the build command too.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const usage = `A small, real Kubernetes control plane in one process, for demos and tests.

Usage:
  control-plane serve [--dir DIR] [--audit-log FILE] [--parent-pid PID]
  control-plane kubectl ARGS...

serve prints one line of JSON on standard output once the cluster can be used, then runs until SIGTERM or SIGINT,
or until the process that started it is gone, whichever comes first.

  --dir DIR         keep state, kubeconfig and logs in DIR; a later run with the same DIR continues with that state
                    (default: a temporary directory, removed at the end)
  --audit-log FILE  where the audit log goes, one JSON object a line, appended (default: DIR/audit.log)
  --parent-pid PID  fail unless PID is the parent process, so that a parent that died early is noticed too

kubectl is the complete kubectl; it reads KUBECONFIG. A link named kubectl that points to this binary acts the same:
  ln -s control-plane kubectl
`

// Exit codes of this command line; kubectl has its own.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		kubectl(os.Args[1:])
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "serve":
		return serve(args[1:])
	case "kubectl":
		kubectl(args[1:])
		return exitOK
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, usage)
		return exitOK
	default:
		fmt.Fprintf(stderr, "control-plane: unknown command %q; see control-plane --help\n", args[0])
		return exitUsage
	}
}
