"""Raw responses, for what the SDK hides: ``task``, jobs, error formats, statuses and value types."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from huaweicloudsdkdcs.v2 import DcsClient, ShowInstanceRequest

import sdk
import signing
from instances import HA_2, OPERATION, PASSWORD, PROVISIONING, order, resize, running, update
from simulator import Response, Simulator

INSTANCES = "/v2/{project_id}/instances"
HEX = re.compile(r"[0-9a-f]{32}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def get(target: Simulator, path: str, **query: str) -> Any:
    """Returns the JSON response of a read."""
    answer = signing.send(target, "GET", path, query=list(query.items()))
    assert answer.status == 200, answer.body
    return answer.json()


def show(target: Simulator, instance_id: str) -> Any:
    """Returns the details of an instance."""
    return get(target, f"{INSTANCES}/{instance_id}")


def settled(target: Simulator, instance_id: str) -> Any:
    """Returns the details of an instance after a stale read."""
    show(target, instance_id)
    return show(target, instance_id)


# --- statuses ---


def test_statuses_without_a_body(clean: Simulator) -> None:
    """Changes return 204 without a body."""
    instance = f"{INSTANCES}/{running(clean)}"
    tags = instance.replace("/instances/", "/dcs/") + "/tags/action"
    tag = {"action": "create", "tags": [{"key": "k", "value": "v"}]}

    def empty(answer: Response) -> None:
        assert (answer.status, answer.body) == (204, b"")

    empty(signing.send(clean, "PUT", instance, body={"description": "other"}))
    empty(signing.send(clean, "POST", tags, body=tag))
    empty(signing.send(clean, "POST", f"{instance}/resize", body={"spec_code": HA_2, "new_capacity": 2}))
    clean.step(OPERATION)
    empty(signing.send(clean, "DELETE", instance))


def test_statuses_with_a_body(clean: Simulator) -> None:
    """Creations and password resets return 200 with an object."""
    created = signing.send(clean, "POST", INSTANCES, body=sdk.plain(order(clean)))
    assert (created.status, list(created.json())) == (200, ["instances"])
    instance_id = created.json()["instances"][0]["instance_id"]
    assert UUID.fullmatch(instance_id)
    clean.step(PROVISIONING)
    reset = signing.send(
        clean, "POST", f"{INSTANCES}/{instance_id}/password/reset", body={"new_password": "Bb456789"}
    )
    assert (reset.status, reset.json()) == (
        200,
        {"lock_time": "0", "lock_time_left": "0", "retry_times_left": "5"},
    )


def test_headers(main: Simulator) -> None:
    """Every response has a date, a request id and the JSON content type."""
    answer = signing.send(main, "GET", INSTANCES)
    assert answer.headers["content-type"].startswith("application/json")
    assert HEX.fullmatch(answer.headers["x-request-id"])
    served = parsedate_to_datetime(answer.headers["date"])
    assert abs(served - signing.now()) < timedelta(seconds=10)
    assert signing.send(main, "GET", INSTANCES).headers["x-request-id"] != answer.headers["x-request-id"]


# --- task and jobs ---


def test_task_while_busy(clean: Simulator) -> None:
    """A RUNNING instance with a task is busy. The SDK lacks the field, which is null when idle."""
    instance_id = running(clean)
    assert show(clean, instance_id)["task"] is None
    update(sdk.dcs(clean), instance_id, port=6390)
    busy = show(clean, instance_id)
    assert (busy["status"], busy["port"]) == ("RUNNING", 6379)
    assert isinstance(busy["task"], str) and busy["task"]
    assert "task" not in get(clean, INSTANCES)["instances"][0]
    clean.step(OPERATION)
    idle = show(clean, instance_id)
    assert (idle["task"], idle["port"]) == (None, 6390)


def test_jobs_of_tasks(newer: Simulator) -> None:
    """Newer sites return the job of each task, which has a status."""
    client = sdk.dcs(newer)
    instance_id = running(newer)
    resize(client, instance_id, HA_2, 2)
    tasks = get(newer, f"{INSTANCES}/{instance_id}/tasks")
    job_id = tasks["tasks"][0]["job_id"]
    assert HEX.fullmatch(job_id)
    path = f"/v2/{{project_id}}/jobs/{job_id}"
    assert get(newer, path)["status"] == "INIT"
    newer.step(OPERATION / 2)
    assert get(newer, path)["status"] == "RUNNING"
    newer.step(OPERATION / 2)
    done = get(newer, path)
    assert done["status"] == "SUCCESS"
    assert int(done["end_time"]) - int(done["begin_time"]) == OPERATION * 1000
    newer.remove(instance_id)


def test_tasks_have_no_jobs_by_default(clean: Simulator) -> None:
    instance_id = running(clean)
    resize(sdk.dcs(clean), instance_id, HA_2, 2)
    (task,) = get(clean, f"{INSTANCES}/{instance_id}/tasks")["tasks"]
    assert "job_id" not in task
    assert (task["name"], task["status"]) == ("EXTEND", "EXECUTING")
    clean.step(OPERATION)
    (task,) = get(clean, f"{INSTANCES}/{instance_id}/tasks")["tasks"]
    assert task["status"] == "SUCCESS"


# --- errors ---


def test_the_error_format_of_the_gateway(main: Simulator) -> None:
    path = INSTANCES.replace("{project_id}", main.project_id)
    headers = {"Authorization": "SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=b"}
    answer = main.request("GET", path, headers)
    body = answer.json()
    assert set(body) == {"error_code", "error_msg", "request_id"}
    assert body["error_code"].startswith("APIGW.")
    assert body["request_id"] == answer.headers["x-request-id"]


def test_the_error_format_of_the_service(main: Simulator) -> None:
    answer = signing.send(main, "GET", f"{INSTANCES}/00000000-0000-0000-0000-000000000000")
    body = answer.json()
    assert answer.status == 404
    assert set(body) == {"error_code", "error_msg", "error_ext_msg"}
    assert (body["error_code"], body["error_ext_msg"]) == ("DCS.3022", None)


def test_the_old_error_format(older: Simulator) -> None:
    """The first API version, still used by some sites, has numeric codes."""
    answer = signing.send(older, "GET", f"{INSTANCES}/00000000-0000-0000-0000-000000000000")
    body = answer.json()
    assert answer.status == 404
    assert list(body) == ["error"]
    assert body["error"]["code"] == "111404022"
    assert body["error"]["message"]
    assert "ext_message" in body["error"]


# --- value types ---


def test_value_types_of_the_reference(clean: Simulator) -> None:
    """Types match the tables of the reference."""
    instance_id = running(clean, spec_code="redis.single.xu1.tiny.128", capacity=0.125)
    detail = show(clean, instance_id)
    for name in ("capacity", "port", "max_memory", "used_memory", "charging_mode", "db_number"):
        assert isinstance(detail[name], int), name
    assert (detail["capacity"], detail["capacity_minor"]) == (0, ".125")
    assert detail["no_password_access"] == "false"
    assert MILLISECONDS.fullmatch(detail["created_at"])
    assert isinstance(detail["bandwidth_info"]["current_time"], int)
    statistics = get(clean, f"{INSTANCES}/statistic")["statistics"][0]
    for name in ("input_kbps", "output_kbps", "used_cpu"):
        assert isinstance(statistics[name], str), name
    for name in ("keys", "used_memory", "max_memory", "cmd_get_count", "cmd_set_count"):
        assert isinstance(statistics[name], int), name


def _leaves(value: Any) -> Any:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def test_deviating_formats(quirky: Simulator) -> None:
    """The SDK reads numbers as strings and a placeholder security group."""
    instance_id = running(quirky, spec_code="redis.single.xu1.tiny.128", capacity=0.125)
    detail = settled(quirky, instance_id)
    assert detail["capacity_minor"] == ".125"
    assert detail["security_group_id"] == "securityGroupId"
    assert detail["security_group_name"] == "securityGroupId"
    listed = get(quirky, INSTANCES)["instances"][0]
    statistics = get(quirky, f"{INSTANCES}/statistic")["statistics"][0]
    quota = get(quirky, "/v2/{project_id}/quota")["quotas"]["resources"]
    texts = [
        v for v in _leaves([detail, listed, statistics]) if isinstance(v, str) and re.fullmatch(r"\d+", v)
    ]
    assert texts, "no number is written as a string"
    assert [resource["unit"] for resource in quota] == [None, "GB"]
    client = sdk.dcs(quirky)
    shown = client.show_instance(ShowInstanceRequest(instance_id=instance_id))
    assert (shown.capacity, shown.port) == (0, 6379)
    quirky.remove(instance_id)


@pytest.mark.parametrize(("site", "expected"), [("main", None), ("newer", ""), ("older", "securityGroupId")])
def test_a_missing_security_group(request: pytest.FixtureRequest, site: str, expected: str | None) -> None:
    """The vendor's Terraform provider expects none on the main site: its plan after a creation is empty."""
    target: Simulator = request.getfixturevalue(site)
    instance_id = running(target)
    detail, listed = show(target, instance_id), get(target, INSTANCES)["instances"][0]
    assert detail["security_group_id"] == detail["security_group_name"] == expected
    assert listed["security_group_id"] == expected
    target.remove(instance_id)


@pytest.mark.parametrize("site", ["main", "newer", "older", "quirky"])
def test_the_unit_of_a_quota_is_a_string_or_null(request: pytest.FixtureRequest, site: str) -> None:
    quota = get(request.getfixturevalue(site), "/v2/{project_id}/quota")["quotas"]["resources"]
    assert [resource["unit"] for resource in quota] == [None, "GB"]


def test_the_older_site_writes_empty_lists_as_null(older: Simulator) -> None:
    instance_id = running(older)
    assert show(older, instance_id)["tags"] is None
    older.remove(instance_id)


def test_no_response_contains_a_secret(clean: Simulator, client: DcsClient) -> None:
    """Neither responses nor the journal contain a password."""
    instance_id = running(clean)
    seen: dict[str, Any] = {
        "detail": show(clean, instance_id),
        "list": get(clean, INSTANCES),
        "tasks": get(clean, f"{INSTANCES}/{instance_id}/tasks"),
        "journal": clean.control("GET", "/journal"),
    }
    for name, answer in seen.items():
        assert PASSWORD not in str(answer), name


@pytest.mark.parametrize("query", [{"tags": "team=a"}, {"tags": "team a"}])
def test_both_spellings_of_the_filter_by_tags(clean: Simulator, query: dict[str, str]) -> None:
    """The reference separates key and value with a space, the SDK with an equals sign."""
    wanted = running(clean, tags=[{"key": "team", "value": "a"}])
    running(clean, tags=[{"key": "team", "value": "b"}])
    assert [one["instance_id"] for one in get(clean, INSTANCES, **query)["instances"]] == [wanted]
