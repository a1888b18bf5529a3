#!/usr/bin/env bash
# Runs the environment of the demo until it is interrupted, to try manifests or to develop the operator.
set -euo pipefail
# shellcheck source=demo/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# Checked before target/dev is emptied: another process may use it.
if (exec 3<>/dev/tcp/127.0.0.1/8686) 2>/dev/null; then
    fail "127.0.0.1:8686 is in use: is make dev or make simulate running?"
fi
start dev 127.0.0.1:8686 10 --poll-interval-active 2s --poll-interval-idle 10s
say "ready; in another terminal:"
cat <<EOF
export KUBECONFIG=$KUBECONFIG
alias kubectl='$control_plane kubectl'
kubectl apply --server-side --filename $work/samples/
kubectl get dcsi --namespace shop --watch

log of the operator: tail -f $work/operator.log
probes and metrics:  curl http://$(sed -n 's/.*serving probes and metrics address=\([0-9.:]*\).*/\1/p' "$work/operator.log")/metrics
simulator:           curl $endpoint/_simulator
EOF
say "press Ctrl-C to stop"
wait -n "${pids[@]}" || true
check_running
