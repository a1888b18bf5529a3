#!/usr/bin/env bash
# From `kubectl apply` to Ready, a change, something broken and mended, and gone: in half a minute, on this machine alone.
set -euo pipefail
# shellcheck source=demo/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

begun=$SECONDS
start demo 127.0.0.1:0 10 --poll-interval-active 1s --poll-interval-idle 2s

column() { kubectl get dcsi "$1" --namespace shop --output "jsonpath=$2"; }
in_the_cloud() { cloud show "$id" | sed -n 's/^Description: *//p'; }
described() { [[ $(in_the_cloud) == "$1" ]]; }
# What the operator has logged after line $since: that it saw the tampering, and what it did about it.
operator_said() {
    awk -v since="$since" 'NR <= since { next } /tampered with/ { saw = 1; print }
        saw && /asked the cloud.*action="Update"/ { asked = 1; print } END { exit !asked }' "$work/operator.log"
}

say "two instances: one of two lines, and one with more to say"
run kubectl apply --server-side --filename target/demo/samples/
say "what becomes of them"
seen=
end=$((SECONDS + 60))
until [[ $seen == *True*True* ]]; do
    all_run
    ((SECONDS < end)) || fail "they are not ready within 60 s" "$work/operator.log"
    now=$(kubectl get dcsi --namespace shop --no-headers \
        --output 'custom-columns=:.metadata.name,:.status.conditions[?(@.type=="Ready")].status,:.status.conditions[?(@.type=="Ready")].message' |
        sed 's/<none>  *<none>/not looked at yet/')
    if [[ $now != "$seen" ]]; then
        printf '%3d s\n%s\n' $((SECONDS - begun)) "$now"
        seen=$now
    fi
    sleep 0.3
done
run kubectl wait dcsi --all --namespace shop --for condition=BindingPublished --timeout 20s
run kubectl get dcsi --namespace shop

say "what it says about one of them"
run kubectl get dcsi sessions --namespace shop --output \
    'go-template={{range .status.conditions}}{{printf "%-17s %-8s %-12s %s\n" .type .status .reason .message}}{{end}}'
run kubectl get events --namespace shop --field-selector involvedObject.name=sessions \
    --output 'custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message'

say "what clients bind to: the keys of a Secret each, by the Service Binding specification"
secrets=("secret/$(column sessions '{.status.binding.name}')" "secret/$(column catalogue '{.status.binding.name}')")
# shellcheck disable=SC2016 # $key is of the template
run kubectl get "${secrets[@]}" --namespace shop --output \
    'go-template={{range .items}}{{.metadata.name}} ({{.type}}):{{range $key, $value := .data}} {{$key}}{{end}}{{"\n"}}{{end}}'

say "a change: it is described otherwise"
id=$(column catalogue '{.status.id}')
run kubectl patch dcsi catalogue --namespace shop --type merge --patch '{"spec": {"description": "all that can be bought"}}'
run kubectl wait dcsi catalogue --namespace shop --for condition=Synced --timeout 30s
await 20 "the description in the cloud" "$work/operator.log" described "all that can be bought"
echo "in the cloud: $(in_the_cloud)"

say "somebody changes it in the cloud's console, behind the operator's back"
since=$(wc -l <"$work/operator.log")
for ((attempt = 1; ; attempt++)); do
    meddled=$SECONDS
    simulator PATCH /_simulator/instances/"$id" '{"description": "tampered with"}' >/dev/null
    found=$(in_the_cloud)
    [[ $found != "tampered with" ]] || break
    # The operator may have been quicker than this look; it will not be every time.
    ((attempt < 5)) || fail "the cloud does not show what was changed in it, but: $found" "$work/cloud.log"
done
echo "in the cloud: $found"
await 30 "the former description in the cloud" "$work/operator.log" described "all that can be bought"
echo "in the cloud: $(in_the_cloud) — noticed and mended within $((SECONDS - meddled + 1)) s"
await 10 "that the operator says so" "$work/operator.log" operator_said
printf "the operator's log:\n%s\n" "$(operator_said)"

say "and gone: with deletionPolicy Delete the instances go with their objects"
run kubectl delete dcsi --all --namespace shop --timeout 60s
printf '\n$ dcs-operator cloud list\n'
left=$(cloud list)
printf '%s\n' "$left"
# One line is the header.
[[ $left != *$'\n'* ]] || fail "the cloud still has an instance" "$work/operator.log"
run kubectl wait "${secrets[@]}" --namespace shop --for delete --timeout 20s
run kubectl get secrets --namespace shop

say "done in $((SECONDS - begun)) s; logs are in target/demo/, and make dev keeps such an environment running"
