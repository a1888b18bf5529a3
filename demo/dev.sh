#!/usr/bin/env bash
# The environment of the demo, kept up until it is interrupted: to try manifests, or to work on the operator.
set -euo pipefail
# shellcheck source=demo/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# Said before target/dev is emptied: it may be in use by another one.
if (exec 3<>/dev/tcp/127.0.0.1/8686) 2>/dev/null; then
    fail "127.0.0.1:8686 is taken: does make dev or make simulate run already?"
fi
start dev 127.0.0.1:8686 10 --poll-interval-active 2s --poll-interval-idle 10s
say "ready; in another terminal:"
cat <<EOF
export KUBECONFIG=$KUBECONFIG
alias kubectl='$control_plane kubectl'
kubectl apply --server-side --filename $work/samples/
kubectl get dcsi --namespace shop --watch

the operator's log: tail -f $work/operator.log
probes, metrics:    curl http://$(sed -n 's/.*serving probes and metrics address=\([0-9.:]*\).*/\1/p' "$work/operator.log")/metrics
the cloud:          curl $endpoint/_simulator
EOF
say "interrupt to end"
wait -n "${pids[@]}" || true
all_run
