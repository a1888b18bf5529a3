#!/usr/bin/env bash
# Measures the release binary: memory, CPU time, and time until all objects are Ready. The simulated cloud creates instances at
# once and the request budgets are high, so only the operator and the cluster are measured.
set -euo pipefail
# shellcheck source=demo/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/environment.sh"

# resident PID: resident memory in KiB.
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
# cpu_time PID: CPU time in milliseconds.
cpu_time() {
    local fields
    read -r -a fields <"/proc/$1/stat"
    echo $(((fields[13] + fields[14]) * 1000 / $(getconf CLK_TCK)))
}
milliseconds() { date +%s%3N; }
ready() { kubectl get dcsi --namespace shop --output 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' | grep -c True || true; }

start bench 127.0.0.1:0 1000 --poll-interval-active 1s --poll-interval-idle 2s --reads-per-second 1000 --writes-per-second 1000
pid=${pids[-1]}
kubectl apply --server-side --filename "$work/samples/1-namespace.yaml" --filename "$work/samples/2-credentials.yaml" >/dev/null
idle=$(resident "$pid")
say "release binary, $(nproc) CPUs"
printf '%8s %14s %14s %20s %18s\n' objects 'RSS before' 'RSS after' 'CPU time per object' 'time to all Ready'
for objects in 1 200 1000; do
    for ((n = 0; n < objects; n++)); do
        printf -- '---\napiVersion: dcs.huaweicloud.com/v1alpha1\nkind: DcsInstance\nmetadata: {name: cache-%d, namespace: shop}\nspec: {engineVersion: "6.0", capacity: 1Gi}\n' "$n"
    done >"$work/objects.yaml"
    before=$(cpu_time "$pid") started=$(milliseconds)
    kubectl create --filename "$work/objects.yaml" >/dev/null &
    creating=$!
    end=$((SECONDS + 180))
    until (($(ready) == objects)); do
        check_running
        ((SECONDS < end)) || fail "not all of $objects objects are Ready within 180 s" "$work/operator.log"
        sleep 0.2
    done
    took=$(($(milliseconds) - started)) spent=$(($(cpu_time "$pid") - before))
    wait "$creating"
    printf '%8d %10d KiB %10d KiB %17s ms %15s s\n' "$objects" "$idle" "$(resident "$pid")" \
        "$((spent / objects)).$((spent * 10 / objects % 10))" "$((took / 1000)).$((took % 1000 / 100))"
    # The last objects are deleted with the cluster.
    ((objects == 1000)) || kubectl delete dcsi --all --namespace shop --timeout 170s >/dev/null
done
