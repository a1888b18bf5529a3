# Sourced by demo.sh, dev.sh and benches/operator.sh. Starts a cluster, a simulated cloud and the operator on this machine, and
# stops all of them at the end.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
operator=$PWD/target/release/dcs-operator
control_plane=$PWD/target/control-plane/control-plane
pids=() names=() logs=()

say() { if [[ -t 1 ]]; then printf '\n\033[1m== %s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi; }

# run COMMAND...: prints a command and runs it.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

fail() {
    printf '\nerror: %s\n' "$1" >&2
    if [[ -n ${2:-} && -s $2 ]]; then
        printf 'end of %s:\n' "$2" >&2
        tail -n 15 "$2" >&2
    fi
    exit 1
}

stop_all() {
    local pid
    # In reverse order: the operator releases its lease while the API server still runs.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        pid=${pids[i]}
        kill "$pid" 2>/dev/null || continue
        wait "$pid" 2>/dev/null || true
    done
}

# register NAME LOG: adds the process just started to the environment.
register() {
    pids+=($!)
    names+=("$1")
    logs+=("$2")
}

# Fails if a process of the environment has ended.
check_running() {
    local i
    for i in "${!pids[@]}"; do
        kill -0 "${pids[i]}" 2>/dev/null || fail "${names[i]} has ended" "${logs[i]}"
    done
}

# await SECONDS WHAT LOG COMMAND...: waits until the command succeeds.
await() {
    local seconds=$1 what=$2 log=$3 end=$((SECONDS + $1))
    shift 3
    until "$@" >/dev/null 2>&1; do
        check_running
        ((SECONDS < end)) || fail "timed out after $seconds s: $what" "$log"
        sleep 0.2
    done
}

kubectl() { "$control_plane" kubectl "$@"; }

# simulator METHOD PATH [BODY]: sends a request to /_simulator, and prints the body of the response; fails unless it is 2xx.
simulator() {
    local method=$1 path=$2 body=${3:-} host=${endpoint#http://} line status='' answer
    exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
    printf '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
        "$method" "$path" "$host" "${#body}" "$body" >&3
    read -r _ status _ <&3 || true
    while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
    answer=$(cat <&3)
    exec 3>&-
    [[ $status == 2?? ]] || fail "the simulator responded ${status:-nothing} to $method $path: $answer"
    printf '%s\n' "$answer"
}

# cloud list, cloud show ID: shows the account through the operator's client.
cloud() {
    HUAWEICLOUD_SDK_AK=simulator HUAWEICLOUD_SDK_SK=simulator-secret HUAWEICLOUD_SDK_REGION=sim-region-1 \
        DCS_ENDPOINT=$endpoint DCS_IAM_ENDPOINT=$endpoint "$operator" cloud "$@"
}

# member FILE KEY: the value of a string member in a line of JSON.
member() { sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" "$1"; }

start_cluster() {
    "$control_plane" serve --parent-pid $$ >"$work/cluster.json" 2>"$work/cluster.log" &
    register "the Kubernetes control plane" "$work/cluster.log"
    await 75 "start of the Kubernetes control plane" "$work/cluster.log" grep -q kubeconfig "$work/cluster.json"
    KUBECONFIG=$(member "$work/cluster.json" kubeconfig)
    KUBECACHEDIR=$work/kubectl-cache
    export KUBECONFIG KUBECACHEDIR
}

start_cloud() {
    "$operator" simulate --addr "$1" --speed "$2" --quota-instances 100000 --quota-ram-gb 1000000 >"$work/cloud.json" 2>"$work/cloud.log" &
    register "the simulated cloud" "$work/cloud.log"
    await 10 "start of the simulated cloud" "$work/cloud.log" grep -q endpoint "$work/cloud.json"
    endpoint=$(member "$work/cloud.json" endpoint)
}

# The operator runs with the token of its service account, not as administrator.
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
        --listen 127.0.0.1:0 --allow-insecure-endpoint "${endpoint#http://}" "$@" >"$work/operator.log" 2>&1 &
    register "the operator" "$work/operator.log"
    await 20 "start of the operator" "$work/operator.log" grep -q "starting reconciles" "$work/operator.log"
}

# start NAME ADDRESS SPEED [OPERATOR FLAGS]: starts the environment. Its files are in target/NAME/, which is emptied first.
start() {
    work=$PWD/target/$1
    rm -rf "$work"
    mkdir -p "$work"
    trap stop_all EXIT
    trap 'exit 130' INT TERM
    say "starting a Kubernetes control plane, a simulated cloud and the operator (logs: target/$1/)"
    # The cloud starts first, because it fails at once if its port is in use.
    start_cloud "$2" "$3"
    start_cluster
    shift 3
    kubectl apply --server-side --filename crds/ --filename deploy/rbac.yaml --filename deploy/roles.yaml >"$work/apply.log" 2>&1 ||
        fail "applying crds/ and deploy/ failed" "$work/apply.log"
    await 20 "DcsInstances served by the API server" "$work/apply.log" kubectl get dcsinstances --all-namespaces
    start_operator "$@"
    # The samples contain the address of `make simulate`; replace it with the address of this simulator.
    mkdir "$work/samples"
    local sample
    for sample in deploy/samples/*.yaml; do
        sed "s|http://127.0.0.1:8686|$endpoint|" "$sample" >"$work/samples/${sample##*/}"
    done
}
