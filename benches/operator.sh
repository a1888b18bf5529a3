#!/usr/bin/env bash
# Measures the release binary: memory, CPU time, requests to Kubernetes and to the cloud, and time until all objects are Ready;
# then the same of a restart. The simulated cloud creates instances at once and the request budgets are high, so only the
# operator and the cluster are measured. OBJECTS are the numbers of objects, in ascending order.
set -euo pipefail
# shellcheck source=demo/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/../demo/environment.sh"
read -r -a sizes <<<"${OBJECTS:-1 1000 5000}"
flags=(--poll-interval-active 1s --poll-interval-idle 2s --reads-per-second 1000 --writes-per-second 1000)

# resident PID: resident memory in KiB.
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
# cpu_time PID: CPU time in milliseconds.
cpu_time() {
    local fields
    read -r -a fields <"/proc/$1/stat"
    echo $(((fields[13] + fields[14]) * 1000 / $(getconf CLK_TCK)))
}
milliseconds() { date +%s%3N; }
# kube_requests WRITES: the requests about single objects that the API server has answered, but the creation of the objects here;
# with WRITES=1 without those that only read.
kube_requests() {
    kubectl get --raw /metrics | awk -v writes="$1" '
        /^apiserver_request_total/ && /resource="(dcsinstances|secrets|events)"/ && /verb="(GET|POST|PUT|PATCH|APPLY|DELETE)"/ {
            if (/resource="dcsinstances"/ && /verb="POST"/) next
            if (writes && /verb="GET"/) next
            sum += $NF
        }
        END { printf "%d\n", sum }'
}
metrics() {
    local address
    address=$(sed -n 's/.*serving probes and metrics address=\([0-9.:]*\).*/\1/p' "$work/operator.log")
    exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
    printf 'GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$address" >&3
    cat <&3
    exec 3>&-
}
cloud_calls() { metrics | awk '/^dcs_operator_api_requests_total/ { sum += $2 } END { printf "%d\n", sum }'; }
reported_ready() {
    metrics | awk '/^dcs_operator_objects/ && /condition="Ready",status="True"/ { sum += $2 } END { printf "%d\n", sum }'
}
# tenths VALUE COUNT: the quotient with one digit after the point.
tenths() { echo "$(($1 / $2)).$(($1 * 10 / $2 % 10))"; }
# until_ready OBJECTS: waits until the operator reports all of them Ready.
until_ready() {
    local end=$((SECONDS + 60 + $1 / 5))
    until (($(reported_ready) == $1)); do
        check_running
        ((SECONDS < end)) || fail "not all of $1 objects are Ready" "$work/operator.log"
        sleep 0.2
    done
}

start bench 127.0.0.1:0 1000 "${flags[@]}"
pid=${pids[-1]}
kubectl apply --server-side --filename "$work/samples/1-namespace.yaml" --filename "$work/samples/2-credentials.yaml" >/dev/null
idle=$(resident "$pid") present=0
say "release binary, $(nproc) CPUs; idle: $idle KiB; CPU, requests and calls are those of each new object until Ready"
printf '%8s %12s %10s %14s %13s %16s\n' objects RSS CPU 'kube requests' 'cloud calls' 'time to Ready'
for objects in "${sizes[@]}"; do
    for ((n = present; n < objects; n++)); do
        printf -- '---\napiVersion: dcs.huaweicloud.com/v1alpha1\nkind: DcsInstance\nmetadata: {name: cache-%d, namespace: shop}\nspec: {engineVersion: "6.0", capacity: 1Gi}\n' "$n"
    done >"$work/objects.yaml"
    new=$((objects - present))
    spent=$(cpu_time "$pid") requests=$(kube_requests 0) calls=$(cloud_calls) took=$(milliseconds)
    kubectl create --filename "$work/objects.yaml" >/dev/null &
    creating=$!
    until_ready "$objects"
    took=$(($(milliseconds) - took)) spent=$(($(cpu_time "$pid") - spent))
    requests=$(($(kube_requests 0) - requests)) calls=$(($(cloud_calls) - calls))
    wait "$creating"
    printf '%8d %8d KiB %7s ms %14s %13s %14s s\n' "$objects" "$(resident "$pid")" \
        "$(tenths "$spent" "$new")" "$(tenths "$requests" "$new")" "$(tenths "$calls" "$new")" "$(tenths "$took" 1000)"
    present=$objects
done

kill "$pid"
wait "$pid" || true
unset 'pids[-1]' 'names[-1]' 'logs[-1]'
requests=$(kube_requests 0) writes=$(kube_requests 1) took=$(milliseconds)
start_operator "${flags[@]}"
pid=${pids[-1]}
until_ready "$present"
took=$(($(milliseconds) - took)) spent=$(cpu_time "$pid")
# What a restart causes follows within two poll intervals.
sleep 5
say "restart with $present objects: settled in $(tenths "$took" 1000) s, CPU $spent ms, kube requests" \
    "$(($(kube_requests 0) - requests)), of these writes $(($(kube_requests 1) - writes)), RSS $(resident "$pid") KiB"
