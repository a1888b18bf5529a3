# Sourced by demo.sh, dev.sh and the bench: a cluster, a cloud and the operator, all on this machine, and all gone at the end.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
operator=$PWD/target/release/dcs-operator
control_plane=$PWD/target/control-plane/control-plane
pids=() parts=() logs=()

say() { if [[ -t 1 ]]; then printf '\n\033[1m== %s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi; }

# Shows a command, and runs it.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

fail() {
    printf '\nerror: %s\n' "$1" >&2
    if [[ -n ${2:-} && -s $2 ]]; then
        printf 'the end of %s:\n' "$2" >&2
        tail -n 15 "$2" >&2
    fi
    exit 1
}

stop_all() {
    local pid
    # The operator first: it gives its lease back.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        pid=${pids[i]}
        kill "$pid" 2>/dev/null || continue
        wait "$pid" 2>/dev/null || true
    done
}

# part WHAT LOG: the process just started is a part of the environment.
part() {
    pids+=($!)
    parts+=("$1")
    logs+=("$2")
}

# Fails if a part of the environment has ended: nothing that one could wait for will come of it.
all_run() {
    local i
    for i in "${!pids[@]}"; do
        kill -0 "${pids[i]}" 2>/dev/null || fail "${parts[i]} has ended" "${logs[i]}"
    done
}

# await SECONDS WHAT LOG COMMAND...: until the command succeeds.
await() {
    local seconds=$1 what=$2 log=$3 end=$((SECONDS + $1))
    shift 3
    until "$@" >/dev/null 2>&1; do
        all_run
        ((SECONDS < end)) || fail "not within $seconds s: $what" "$log"
        sleep 0.2
    done
}

kubectl() { "$control_plane" kubectl "$@"; }

# simulator METHOD PATH [BODY]: what the simulator's /_simulator answers, without its headers; fails unless that is 2xx.
simulator() {
    local method=$1 path=$2 body=${3:-} host=${endpoint#http://} line status='' answer
    exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
    printf '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
        "$method" "$path" "$host" "${#body}" "$body" >&3
    read -r _ status _ <&3 || true
    while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
    answer=$(cat <&3)
    exec 3>&-
    [[ $status == 2?? ]] || fail "the simulator answers ${status:-nothing} to $method $path: $answer"
    printf '%s\n' "$answer"
}

# The account as the operator's own client sees it: cloud list, cloud show ID.
cloud() {
    HUAWEICLOUD_SDK_AK=simulator HUAWEICLOUD_SDK_SK=simulator-secret HUAWEICLOUD_SDK_REGION=sim-region-1 \
        DCS_ENDPOINT=$endpoint DCS_IAM_ENDPOINT=$endpoint "$operator" cloud "$@"
}

# The value of a member of a line of JSON.
member() { sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" "$1"; }

start_cluster() {
    "$control_plane" serve --parent-pid $$ >"$work/cluster.json" 2>"$work/cluster.log" &
    part "the Kubernetes control plane" "$work/cluster.log"
    await 75 "a Kubernetes control plane" "$work/cluster.log" grep -q kubeconfig "$work/cluster.json"
    KUBECONFIG=$(member "$work/cluster.json" kubeconfig)
    KUBECACHEDIR=$work/kubectl-cache
    export KUBECONFIG KUBECACHEDIR
}

start_cloud() {
    "$operator" simulate --addr "$1" --speed "$2" --quota-instances 100000 --quota-ram-gb 1000000 >"$work/cloud.json" 2>"$work/cloud.log" &
    part "the simulated cloud" "$work/cloud.log"
    await 10 "a simulated cloud" "$work/cloud.log" grep -q endpoint "$work/cloud.json"
    endpoint=$(member "$work/cloud.json" endpoint)
}

# Not as administrator: with the token of its own service account.
start_operator() {
    local token server authority
    token=$(kubectl create token dcs-operator --namespace dcs-operator-system)
    server=$(member "$work/cluster.json" server)
    authority=$(kubectl config view --raw --minify --output 'jsonpath={.clusters[0].cluster.certificate-authority-data}')
    (umask 077 && cat >"$work/operator.kubeconfig" <<EOF
apiVersion: v1
kind: Config
current-context: operator
clusters: [{name: cluster, cluster: {server: "$server", certificate-authority-data: "$authority"}}]
users: [{name: operator, user: {token: "$token"}}]
contexts: [{name: operator, context: {cluster: cluster, user: operator}}]
EOF
    )
    KUBECONFIG=$work/operator.kubeconfig "$operator" run --namespace dcs-operator-system \
        --listen 127.0.0.1:0 --allow-insecure-endpoint 127.0.0.1 "$@" >"$work/operator.log" 2>&1 &
    part "the operator" "$work/operator.log"
    await 20 "the operator at work" "$work/operator.log" grep -q "work begins" "$work/operator.log"
}

# start NAME ADDRESS SPEED [OPERATOR FLAGS]: everything is kept in target/NAME/, which is emptied first.
start() {
    work=$PWD/target/$1
    rm -rf "$work"
    mkdir -p "$work"
    trap stop_all EXIT
    trap 'exit 130' INT TERM
    say "starting a Kubernetes control plane, a simulated cloud and the operator (logs: target/$1/)"
    # The cloud first: it knows at once if its port is taken.
    start_cloud "$2" "$3"
    start_cluster
    shift 3
    kubectl apply --server-side --filename crds/ --filename deploy/rbac.yaml --filename deploy/roles.yaml >"$work/apply.log" 2>&1 ||
        fail "the cluster does not take crds/ and deploy/" "$work/apply.log"
    await 20 "that DcsInstances are served" "$work/apply.log" kubectl get dcsinstances --all-namespaces
    start_operator "$@"
    # The samples name the address of `make simulate`; here it is another one.
    mkdir "$work/samples"
    local sample
    for sample in deploy/samples/*.yaml; do
        sed "s|http://127.0.0.1:8686|$endpoint|" "$sample" >"$work/samples/${sample##*/}"
    done
}
