"""Tests each documented limit at, below and above its bounds, through the SDK."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from huaweicloudsdkdcs.v2 import (
    BatchCreateOrDeleteTagsRequest,
    CreateInstanceRequest,
    CreateOrDeleteInstanceTags,
    DcsClient,
    ListBackgroundTaskRequest,
    ListInstancesRequest,
    ModifyInstanceBody,
    ResetInstancePasswordBody,
    ResetPasswordRequest,
    ResizeInstanceBody,
    ResizeInstanceRequest,
    UpdateInstanceRequest,
)

import sdk
from instances import CLUSTER_4, PASSWORD, PROVISIONING, create, order, running
from limits import Limit
from limits_change import CHANGE
from limits_create import CREATE, CREATE_ELSEWHERE
from report import Report
from simulator import Simulator, started

Send = Callable[[], Any]


def flavor(mode: str, gb: float) -> str:
    """The flavor name for a size, existing or not."""
    copies = "r2." if mode in ("ha", "cluster") else ""
    size = f"tiny.{copies}{int(gb * 1024)}" if gb < 1 else f"large.{copies}{int(gb)}"
    return f"redis.{mode}.xu1.{size}"


def zones(target: Simulator, letters: str) -> list[str]:
    """Zone codes for letters."""
    return [target.region + letter for letter in letters]


INSTANCES: dict[str, dict[str, Any]] = {
    "ha": {},
    "cluster": {"spec_code": CLUSTER_4, "capacity": 4.0},
    "ha with 2 replicas": {"spec_code": "redis.ha.xu1.large.r3.1"},
    "ha with 4 replicas": {"spec_code": "redis.ha.xu1.large.r5.1"},
    "ha of 7.0": {"engine_version": "7.0"},
    "proxy of 3.0": {
        "engine_version": "3.0",
        "spec_code": "dcs.cluster",
        "capacity": 128,
        "security_group_id": "sg",
    },
}
"""Instances to resize."""


class LimitTester:
    """Builds and sends the requests that test limits on one site."""

    def __init__(self, target: Simulator) -> None:
        self.target = target
        self.client: DcsClient = sdk.dcs(target)

    def instance(self, kind: str = "ha") -> str:
        """Removes all instances and creates a running one."""
        self.target.remove_all()
        return running(self.target, **INSTANCES[kind])

    def request(self, limit: Limit, value: Any) -> Send:
        """Returns a function that sends the request of a case."""
        return getattr(self, f"_{limit.operation}")(dict(limit.given), limit.field, value)

    def _CreateInstance(self, given: dict[str, Any], field: str, value: Any) -> Send:
        changes = {**given, **self._windowed(field, value)}
        mode = changes.pop("mode", None)
        if mode:
            changes["spec_code"] = flavor(mode, changes["capacity"])
        if field == "az_codes":
            changes["az_codes"] = zones(self.target, value)
        body = order(self.target, **changes)
        return lambda: self.client.create_instance(CreateInstanceRequest(body=body))

    def _ListInstances(self, given: dict[str, Any], field: str, value: Any) -> Send:
        return lambda: self.client.list_instances(ListInstancesRequest(**{**given, field: value}))

    def _ListBackgroundTask(self, given: dict[str, Any], field: str, value: Any) -> Send:
        request = ListBackgroundTaskRequest(instance_id=self.instance(), **{**given, field: value})
        return lambda: self.client.list_background_task(request)

    def _UpdateInstance(self, given: dict[str, Any], field: str, value: Any) -> Send:
        body = ModifyInstanceBody(**{**given, **self._windowed(field, value)})
        request = UpdateInstanceRequest(instance_id=self.instance(), body=body)
        return lambda: self.client.update_instance(request)

    def _ResizeInstance(self, given: dict[str, Any], field: str, value: Any) -> Send:
        changes = {**given, field: value}
        if field == "spec_code" and isinstance(value, tuple):
            changes["spec_code"], changes["new_capacity"] = value
        mode = changes.pop("mode", None)
        if mode:
            of, capacity = value if isinstance(value, tuple) else (value, value)
            changes.update(spec_code=flavor(mode, of), new_capacity=capacity)
        if field == "available_zones":
            changes["available_zones"] = zones(self.target, value)
        kind = changes.pop("kind", mode or "ha")
        request = ResizeInstanceRequest(self.instance(kind), ResizeInstanceBody(**changes))
        return lambda: self.client.resize_instance(request)

    def _ResetPassword(self, given: dict[str, Any], field: str, value: Any) -> Send:
        body = ResetInstancePasswordBody(**{**given, field: PASSWORD if value == "old" else value})
        request = ResetPasswordRequest(instance_id=self.instance(), body=body)
        return lambda: self.client.reset_password(request)

    def _BatchCreateOrDeleteTags(self, given: dict[str, Any], field: str, value: Any) -> Send:
        body = CreateOrDeleteInstanceTags(**{"action": "create", **given, field: value})
        request = BatchCreateOrDeleteTagsRequest(instance_id=self.instance(), body=body)
        return lambda: self.client.batch_create_or_delete_tags(request)

    @staticmethod
    def _windowed(field: str, value: Any) -> dict[str, Any]:
        if field != "window":
            return {field: value}
        begin, end = value
        return {"maintain_begin": begin, "maintain_end": end}


CASES: list[tuple[Limit, str]] = [
    (limit, label) for limit in [*CREATE, *CREATE_ELSEWHERE, *CHANGE] for label in limit.cases()
]


@pytest.fixture(scope="session")
def testers(main: Simulator, newer: Simulator, older: Simulator) -> dict[str, LimitTester]:
    """The limit testers by site."""
    return {"main": LimitTester(main), "newer": LimitTester(newer), "older": LimitTester(older)}


def number(code: str) -> str:
    """The old numeric form of a code: 111400010 for DCS.4010."""
    return f"111400{int(code[4:]) % 1000:03d}"


@pytest.mark.parametrize(
    ("limit", "label"),
    CASES,
    ids=[f"{limit.operation}-{limit.field}-{limit.rule}-{label}" for limit, label in CASES],
)
def test_limit(testers: dict[str, LimitTester], report: Report, limit: Limit, label: str) -> None:
    """Values inside the limit are accepted, values outside are rejected with the documented code."""
    tester = testers[limit.site]
    value, accepted = limit.cases()[label]
    send = tester.request(limit, value)
    code = ""
    if accepted:
        send()
    else:
        error = sdk.refusal(send)
        assert error.status_code == 400, error
        codes = (
            limit.codes()
            if limit.site != "older"
            else {number(code) for code in limit.codes()} | limit.codes()
        )
        code = error.error_code
        assert code in codes, error
    report.tried(limit, label, code)
    tester.target.remove_all()


def test_the_default_page_has_ten_entries(clean: Simulator, client: DcsClient) -> None:
    """The default page size is ten."""
    client.create_instance(CreateInstanceRequest(body=order(clean, instance_num=12)))
    answer = client.list_instances(ListInstancesRequest())
    assert (len(answer.instances), answer.instance_num) == (10, 12)
    rest = client.list_instances(ListInstancesRequest(offset=10))
    assert (len(rest.instances), rest.instance_num) == (2, 12)
    both = [instance.instance_id for instance in [*answer.instances, *rest.instances]]
    assert len(set(both)) == 12
    assert client.list_instances(ListInstancesRequest(offset=12)).instances == []


def test_a_thousand_entries_at_most(clean: Simulator, client: DcsClient) -> None:
    for _ in range(11):
        client.create_instance(CreateInstanceRequest(body=order(clean, instance_num=100)))
    answer = client.list_instances(ListInstancesRequest(limit=1000))
    assert (len(answer.instances), answer.instance_num) == (1000, 1100)


def test_names_of_a_batch_are_numbered(clean: Simulator, client: DcsClient) -> None:
    answer = client.create_instance(CreateInstanceRequest(body=order(clean, name="batch", instance_num=3)))
    assert [one.instance_name for one in answer.instances] == ["batch-000", "batch-001", "batch-002"]


@pytest.mark.parametrize(
    ("flag", "quota", "code"), [("--quota-instances", "2", "DCS.4035"), ("--quota-ram-gb", "2", "DCS.4036")]
)
def test_quota(flag: str, quota: str, code: str) -> None:
    """Creations succeed up to the quota and fail above it."""
    with started(flag, quota) as target:
        client = sdk.dcs(target)
        create(client, order(target, name="below"))
        create(client, order(target, name="at-it"))
        error = sdk.refusal(lambda: create(client, order(target, name="above")))
        assert (error.status_code, error.error_code) == (400, code)
        error = sdk.refusal(
            lambda: client.create_instance(CreateInstanceRequest(body=order(target, instance_num=2)))
        )
        assert error.error_code == code
        assert client.list_instances(ListInstancesRequest()).instance_num == 2


def test_unique_names() -> None:
    """Sites with unique names reject the name of another instance."""
    with started("--unique-names") as target:
        client = sdk.dcs(target)
        first = create(client, order(target, name="taken"))
        error = sdk.refusal(lambda: create(client, order(target, name="taken")))
        assert (error.status_code, error.error_code) == (400, "DCS.4060")
        second = create(client, order(target, name="taken2"))
        target.step(PROVISIONING)
        body = ModifyInstanceBody(name="taken")
        request = UpdateInstanceRequest(instance_id=second, body=body)
        error = sdk.refusal(lambda: client.update_instance(request))
        assert error.error_code == "DCS.4060"
        assert first != second


def test_names_may_repeat_by_default(clean: Simulator, client: DcsClient) -> None:
    assert create(client, order(clean)) != create(client, order(clean))


def test_tags_at_most_twenty(clean: Simulator, client: DcsClient) -> None:
    """The product pages document twenty tags, the reference no number."""
    instance_id = create(client, order(clean))

    def tag(action: str, names: range) -> None:
        body = CreateOrDeleteInstanceTags(
            action=action, tags=[{"key": f"key{n}", "value": "v"} for n in names]
        )
        client.batch_create_or_delete_tags(BatchCreateOrDeleteTagsRequest(instance_id=instance_id, body=body))

    tag("create", range(19))
    tag("create", range(19, 20))
    assert sdk.refusal(lambda: tag("create", range(20, 21))).status_code == 400
    tag("delete", range(1))
    tag("create", range(20, 21))
