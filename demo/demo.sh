#!/usr/bin/env bash
# Creates two instances, a backup and a schedule of backups, restores the backup, updates an instance, reverts a change made
# outside the operator, and deletes all: in less than two minutes, on this machine alone.
set -euo pipefail
# shellcheck source=demo/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

started=$SECONDS
start demo 127.0.0.1:0 20 --poll-interval-active 1s --poll-interval-idle 2s --job-check-interval 500ms \
    --list-consistency-window 2s --call-timeout 5s

column() { kubectl get dcsi "$1" --namespace shop --output "jsonpath=$2"; }
in_the_cloud() { cloud show "$id" | sed -n 's/^Description: *//p'; }
described() { [[ $(in_the_cloud) == "$1" ]]; }
# Log lines of the operator after line $since: the detected change, and the update that reverts it.
logged_revert() {
    awk -v since="$since" 'NR <= since { next } /tampered with/ { detected = 1; print }
        detected && /cloud request sent.*action="Update"/ { updated = 1; print } END { exit !updated }' "$work/operator.log"
}

say "create two instances, a minimal one and one with optional fields, a backup of the first, and a restore of it"
run kubectl apply --server-side --filename target/demo/samples/
say "a schedule: a backup at once, and one each minute, of which the last one stays"
cat >"$work/minutely.yaml" <<'EOF'
apiVersion: dcs.huaweicloud.com/v1alpha1
kind: DcsBackupSchedule
metadata: {name: minutely, namespace: shop}
spec:
  instanceRef: {name: sessions}
  schedule: "* * * * *"
  immediate: true
  retention: {keepLast: 1}
EOF
run kubectl apply --server-side --filename target/demo/minutely.yaml

say "wait until both are Ready"
shown=
end=$((SECONDS + 60))
until [[ $shown == *True*True* ]]; do
    check_running
    ((SECONDS < end)) || fail "the instances are not Ready within 60 s" "$work/operator.log"
    now=$(kubectl get dcsi --namespace shop --no-headers \
        --output 'custom-columns=:.metadata.name,:.status.conditions[?(@.type=="Ready")].status,:.status.conditions[?(@.type=="Ready")].message' |
        sed 's/<none>  *<none>/no status yet/')
    if [[ $now != "$shown" ]]; then
        printf '%3d s\n%s\n' $((SECONDS - started)) "$now"
        shown=$now
    fi
    sleep 0.3
done
run kubectl wait dcsi --all --namespace shop --for condition=BindingPublished --timeout 20s
run kubectl get dcsi --namespace shop

say "conditions and Events of one instance"
run kubectl get dcsi sessions --namespace shop --output \
    'go-template={{range .status.conditions}}{{printf "%-17s %-8s %-12s %s\n" .type .status .reason .message}}{{end}}'
run kubectl get events --namespace shop --field-selector involvedObject.name=sessions \
    --output 'custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message'

say "the Secrets for clients, as the Service Binding specification defines them"
secrets=("secret/$(column sessions '{.status.binding.name}')" "secret/$(column catalogue '{.status.binding.name}')")
# shellcheck disable=SC2016 # $key is a variable of the template
run kubectl get "${secrets[@]}" --namespace shop --output \
    'go-template={{range .items}}{{.metadata.name}} ({{.type}}):{{range $key, $value := .data}} {{$key}}{{end}}{{"\n"}}{{end}}'

say "the backup: made once the instance serves"
run kubectl wait dcsb first --namespace shop --for 'jsonpath={.status.outcome}' --timeout 60s
run kubectl get dcsb --namespace shop

say "the restore: it has chosen its backup, and waits for approval"
run kubectl wait dcsr undo --namespace shop --for 'jsonpath={.status.pendingApproval.token}' --timeout 60s
run kubectl get dcsr --namespace shop
run kubectl get dcsr undo --namespace shop --output 'jsonpath={.status.conditions[?(@.type=="Ready")].message}{"\n"}'
token=$(kubectl get dcsr undo --namespace shop --output 'jsonpath={.status.pendingApproval.token}')
run kubectl annotate dcsrestore undo --namespace shop --overwrite "dcs.huaweicloud.com/approve=$token"
say "it backs the present data up, and then replaces it"
run kubectl wait dcsr undo --namespace shop --for 'jsonpath={.status.outcome}' --timeout 90s
run kubectl get dcsb,dcsr --namespace shop

say "update a description"
id=$(column catalogue '{.status.id}')
run kubectl patch dcsi catalogue --namespace shop --type merge --patch '{"spec": {"description": "products and prices"}}'
run kubectl wait dcsi catalogue --namespace shop --for condition=Synced --timeout 30s
await 20 "the description in the cloud" "$work/operator.log" described "products and prices"
echo "in the cloud: $(in_the_cloud)"

say "change the description in the cloud, outside the operator"
since=$(wc -l <"$work/operator.log")
for ((attempt = 1; ; attempt++)); do
    changed=$SECONDS
    simulator PATCH /_simulator/instances/"$id" '{"description": "tampered with"}' >/dev/null
    found=$(in_the_cloud)
    [[ $found != "tampered with" ]] || break
    # The operator may have reverted the change before this read; try again.
    ((attempt < 5)) || fail "the cloud does not show the change, but: $found" "$work/cloud.log"
done
echo "in the cloud: $found"
await 30 "the declared description in the cloud" "$work/operator.log" described "products and prices"
echo "in the cloud: $(in_the_cloud) (reverted within $((SECONDS - changed + 1)) s)"
await 10 "log lines about the revert" "$work/operator.log" logged_revert
printf "log of the operator:\n%s\n" "$(logged_revert)"

say "the schedule: once a second backup is made, the first goes"
# The schedule has run, and its first backup is gone.
pruned() {
    local ran left
    ran=$(kubectl get dcsbs minutely --namespace shop --output 'jsonpath={.status.lastScheduleTime}')
    left=$(kubectl get dcsb --namespace shop --selector dcs.huaweicloud.com/schedule=minutely --output name)
    [[ -n $ran && -n $left && $left != *-first-* ]]
}
await 100 "the first backup of the schedule to be removed" "$work/operator.log" pruned
run kubectl get dcsbs,dcsb --namespace shop
run kubectl delete dcsbs,dcsr,dcsb --all --namespace shop --timeout 90s

say "delete the objects: deletionPolicy Delete deletes their instances too"
run kubectl delete dcsi --all --namespace shop --timeout 60s
printf '\n$ dcs-operator cloud list\n'
left=$(cloud list)
printf '%s\n' "$left"
# The header is one line.
[[ $left != *$'\n'* ]] || fail "the cloud still lists an instance" "$work/operator.log"
run kubectl wait "${secrets[@]}" --namespace shop --for delete --timeout 20s
run kubectl get secrets --namespace shop

say "done in $((SECONDS - started)) s; logs are in target/demo/; make dev starts the same environment and keeps it running"
