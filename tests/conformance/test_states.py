"""Instance states through the SDK: transitions, errors while busy, filters, counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from huaweicloudsdkdcs.v2 import (
    BackupPolicy,
    DcsClient,
    ListAvailableZonesRequest,
    ListBackgroundTaskRequest,
    ListFlavorsRequest,
    ListInstancesRequest,
    ListMaintenanceWindowsRequest,
    ListNumberOfInstancesInDifferentStatusRequest,
    ListStatisticsOfRunningInstancesRequest,
    RenameCommandResp,
    ResourceTag,
    ShowJobInfoRequest,
    ShowQuotaOfTenantRequest,
)

import sdk
from instances import (
    HA_1,
    HA_2,
    OPERATION,
    PROVISIONING,
    change_tags,
    create,
    delete,
    order,
    reset_password,
    resize,
    running,
    show,
    update,
    weekly,
)
from simulator import Simulator, started

DELETION = 60


def names(client: DcsClient, **query: Any) -> list[str]:
    """The names of the listed instances."""
    return [instance.name for instance in client.list_instances(ListInstancesRequest(**query)).instances]


def test_an_instance_is_created_and_deleted(clean: Simulator, client: DcsClient) -> None:
    instance_id = create(client, order(clean))
    assert show(client, instance_id).status == "CREATING"
    clean.step(PROVISIONING - 1)
    assert show(client, instance_id).status == "CREATING"
    clean.step(1)
    assert show(client, instance_id).status == "RUNNING"
    delete(client, instance_id)
    clean.step(DELETION)
    error = sdk.refusal(lambda: show(client, instance_id))
    assert (error.status_code, error.error_code) == (404, "DCS.3022")
    error = sdk.refusal(lambda: delete(client, instance_id))
    assert (error.status_code, error.error_code) == (404, "DCS.3022")
    assert names(client) == []


def test_a_resize_extends(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    before = show(client, instance_id)
    resize(client, instance_id, HA_2, 2)
    during = show(client, instance_id)
    assert (during.status, during.spec_code, during.capacity) == ("EXTENDING", HA_1, 1)
    clean.step(OPERATION)
    after = show(client, instance_id)
    assert (after.status, after.spec_code, after.capacity) == ("RUNNING", HA_2, 2)
    assert after.max_memory == 2 * before.max_memory
    assert (after.ip, after.domain_name, after.created_at) == (
        before.ip,
        before.domain_name,
        before.created_at,
    )


def test_a_deferred_resize_waits_for_the_window(newer: Simulator) -> None:
    """Newer sites only: the reference documents deferral as unsupported."""
    client = sdk.dcs(newer)
    instance_id = running(newer)
    resize(client, instance_id, HA_2, 2, execute_immediately=False)
    assert show(client, instance_id).status == "RUNNING"
    error = sdk.refusal(lambda: resize(client, instance_id, HA_2, 2))
    assert (error.status_code, error.error_code) == (400, "DCS.4108")
    newer.step(24 * 3600)
    assert show(client, instance_id).spec_code == HA_2
    newer.remove(instance_id)


def test_deferral_is_ignored_by_default(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    resize(client, instance_id, HA_2, 2, execute_immediately=False)
    assert show(client, instance_id).status == "EXTENDING"


def test_renamed_commands_restart(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    update(client, instance_id, rename_commands=RenameCommandResp(keys="k-e-y-s"))
    assert show(client, instance_id).status == "RESTARTING"
    clean.step(OPERATION)
    assert show(client, instance_id).status == "RUNNING"


def test_settings_are_kept(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    update(
        client,
        instance_id,
        name="other-name",
        description="more",
        maintain_begin="02:00:00",
        maintain_end="03:00:00",
    )
    shown = show(client, instance_id)
    assert (shown.name, shown.description) == ("other-name", "more")
    assert (shown.maintain_begin, shown.maintain_end) == ("02:00:00", "03:00:00")
    update(client, instance_id, description="")
    assert not show(client, instance_id).description


def test_a_creation_that_fails(clean: Simulator, client: DcsClient) -> None:
    """A failed creation is counted with include_failure and listed by its status."""
    clean.control("POST", "/fail-next-creations", {"count": 1})
    failed = create(client, order(clean, name="failed"))
    create(client, order(clean, name="good"))
    clean.step(PROVISIONING)
    assert show(client, failed).status == "CREATEFAILED"
    plain = client.list_instances(ListInstancesRequest())
    assert ([one.name for one in plain.instances], plain.instance_num) == (["good"], 1)
    counted = client.list_instances(ListInstancesRequest(include_failure="true"))
    assert ([one.name for one in counted.instances], counted.instance_num) == (["good"], 2)
    assert names(client, status="CREATEFAILED") == ["failed"]
    delete(client, failed)


def test_listing_failed_creations() -> None:
    """The alternative interpretation of include_failure."""
    with started("--list-failures") as target:
        client = sdk.dcs(target)
        target.control("POST", "/fail-next-creations", {"count": 1})
        create(client, order(target, name="failed"))
        target.step(PROVISIONING)
        assert names(client) == []
        assert names(client, include_failure="true") == ["failed"]


def test_a_new_instance_appears_later() -> None:
    with started("--visible-after-seconds", "20") as target:
        client = sdk.dcs(target)
        instance_id = create(client, order(target))
        assert names(client) == []
        assert sdk.refusal(lambda: show(client, instance_id)).error_code == "DCS.3022"
        target.step(20)
        assert names(client) == ["conformance"]
        assert show(client, instance_id).status == "CREATING"


def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Instances and pending transitions are restored from the state file."""
    state = str(tmp_path / "state.json")
    with started("--state", state) as target:
        client = sdk.dcs(target)
        running = create(client, order(target, name="running", tags=[ResourceTag("a", "b")]))
        target.step(PROVISIONING)
        creating = create(client, order(target, name="creating"))
        before = show(client, running)
    with started("--state", state) as target:
        client = sdk.dcs(target)
        assert show(client, running).to_json_object() == before.to_json_object()
        assert show(client, creating).status == "CREATING"
        target.step(PROVISIONING)
        assert show(client, creating).status == "RUNNING"


CHANGES: dict[str, Callable[[DcsClient, str], Any]] = {
    "update": lambda client, instance_id: update(client, instance_id, name="other"),
    "resize": lambda client, instance_id: resize(client, instance_id, HA_2, 2),
    "password": lambda client, instance_id: reset_password(client, instance_id, new_password="Bb456789"),
    "delete": delete,
}
BUSY = {
    "CREATING": ("DCS.4118", "DCS.4099"),
    "RESTARTING": ("DCS.4111", "DCS.4099"),
    "EXTENDING": ("DCS.4113", "DCS.4113"),
    "RESTORING": ("DCS.4097", "DCS.4097"),
    "UPGRADING": ("DCS.4116", "DCS.4116"),
    "FREEZING": ("DCS.4120", "DCS.4120"),
    "ERROR": ("DCS.4026", None),
    "FROZEN": ("DCS.4026", None),
    "CREATEFAILED": ("DCS.4026", None),
}
"""Codes for a change and for a deletion, by status."""


@pytest.mark.parametrize("status", BUSY)
@pytest.mark.parametrize("change", CHANGES)
def test_busy(clean: Simulator, client: DcsClient, status: str, change: str) -> None:
    instance_id = running(clean)
    clean.put_status(instance_id, status)
    code = BUSY[status][1 if change == "delete" else 0]
    if code is None:
        CHANGES[change](client, instance_id)
        return
    error = sdk.refusal(lambda: CHANGES[change](client, instance_id))
    general = {"DCS.4026", "DCS.4049"}
    allowed = {code} | (general if status in ("ERROR", "FROZEN", "CREATEFAILED") else set())
    assert (error.status_code, error.error_code in allowed) == (400, True), error


COUNTED = {
    "PAYING": "paying_count",
    "FREEZING": "freezing_count",
    "MIGRATING": "migrating_count",
    "FLUSHING": "flushing_count",
    "UPGRADING": "upgrading_count",
    "RESTORING": "restoring_count",
    "EXTENDING": "extending_count",
    "CREATING": "creating_count",
    "RUNNING": "running_count",
    "ERROR": "error_count",
    "FROZEN": "frozen_count",
    "CREATEFAILED": "createfailed_count",
    "RESTARTING": "restarting_count",
}


@pytest.mark.parametrize("status", COUNTED)
def test_each_status_has_its_count(clean: Simulator, client: DcsClient, status: str) -> None:
    instance_id = create(client, order(clean))
    clean.put_status(instance_id, status)
    answer = client.list_number_of_instances_in_different_status(
        ListNumberOfInstancesInDifferentStatusRequest(include_failure="true")
    )
    counts = {name: getattr(answer, name) for name in COUNTED.values()}
    assert counts == {name: int(name == COUNTED[status]) for name in COUNTED.values()}
    assert {name: getattr(answer.redis, name) for name in COUNTED.values()} == counts
    assert not any(getattr(answer.memcached, name) for name in COUNTED.values())
    without = client.list_number_of_instances_in_different_status(
        ListNumberOfInstancesInDifferentStatusRequest()
    )
    assert getattr(without, COUNTED[status]) == int(status != "CREATEFAILED")


def test_filters(clean: Simulator, client: DcsClient) -> None:
    """Names match partially unless name_equal is set."""
    first = create(client, order(clean, name="cache-one"))
    second = create(client, order(clean, name="cache-one-more", tags=[ResourceTag("team", "a")]))
    clean.step(PROVISIONING)
    create(client, order(clean, name="other"))
    assert set(names(client, name="one")) == {"cache-one", "cache-one-more"}
    assert names(client, name="cache-one", name_equal="true") == ["cache-one"]
    assert names(client, name="one", name_equal="true") == []
    assert names(client, instance_id=second) == ["cache-one-more"]
    assert names(client, status="CREATING") == ["other"]
    assert names(client, tags="team=a") == ["cache-one-more"]
    assert names(client, tags="team=b") == []
    assert names(client, ip=show(client, first).ip) == ["cache-one"]


def test_queries_in_any_script(clean: Simulator, client: DcsClient) -> None:
    """Signatures match for escaped queries and paths."""
    create(client, order(clean))
    for odd in ("a b", "über", "100%", "a+b=c&d", "实例", "~*()'!"):
        assert names(client, name=odd) == []
        assert sdk.refusal(lambda odd=odd: show(client, odd)).status_code in (400, 404)
    assert names(client, include_delete="true") == ["conformance"]


def test_a_missing_instance(client: DcsClient) -> None:
    """Each operation reports a missing instance with the same code; a missing job is a wrong parameter."""
    nothing = "00000000-0000-0000-0000-000000000000"
    calls: list[Callable[[], Any]] = [
        *[lambda change=change: change(client, nothing) for change in CHANGES.values()],
        lambda: change_tags(client, nothing, "create", ResourceTag("a", "b")),
        lambda: client.list_background_task(ListBackgroundTaskRequest(nothing)),
    ]
    for call in calls:
        error = sdk.refusal(call)
        assert (error.status_code, error.error_code) == (404, "DCS.3022")
    error = sdk.refusal(lambda: client.show_job_info(ShowJobInfoRequest("f" * 32)))
    assert (error.status_code, error.error_code) == (400, "DCS.4063")


def test_password_free_access(clean: Simulator, client: DcsClient) -> None:
    """The details show whether a password is needed, but not the password."""
    instance_id = running(clean)

    def reset(**body: Any) -> str:
        reset_password(client, instance_id, **body)
        clean.step(OPERATION)
        return str(show(client, instance_id).no_password_access)

    assert show(client, instance_id).no_password_access == "false"
    assert reset(no_password_access=True) == "true"
    assert reset(new_password="Bb456789") == "false"
    assert reset(new_password="Cc456789", no_password_access=False) == "false"


def test_a_backup_policy_that_becomes_manual_keeps_its_plan(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean, instance_backup_policy=weekly(save_days=3))
    update(client, instance_id, instance_backup_policy=BackupPolicy(backup_type="manual"))
    policy = show(client, instance_id).instance_backup_policy.policy
    assert (policy.backup_type, policy.save_days) == ("manual", 3)
    assert policy.periodical_backup_plan.begin_at == "00:00-01:00"


def test_tags(clean: Simulator, client: DcsClient) -> None:
    instance_id = create(client, order(clean, tags=[ResourceTag("kept", "1"), ResourceTag("changed", "1")]))

    def change(action: str, *tags: ResourceTag) -> dict[str, str]:
        change_tags(client, instance_id, action, *tags)
        return {tag.key: tag.value for tag in show(client, instance_id).tags or []}

    assert change("create", ResourceTag("changed", "2"), ResourceTag("new", "")) == {
        "kept": "1",
        "changed": "2",
        "new": "",
    }
    assert change("delete", ResourceTag("changed"), ResourceTag("absent")) == {"kept": "1", "new": ""}


def test_quota_is_used(clean: Simulator, client: DcsClient) -> None:
    def used() -> dict[str, int]:
        resources = client.show_quota_of_tenant(ShowQuotaOfTenantRequest()).quotas.resources
        return {resource.type: resource.used for resource in resources}

    assert used() == {"instance": 0, "ram": 0}
    instance_id = create(client, order(clean, spec_code=HA_2, capacity=2))
    assert used() == {"instance": 1, "ram": 2}
    clean.remove(instance_id)
    assert used() == {"instance": 0, "ram": 0}


def test_statistics_increase(clean: Simulator, client: DcsClient) -> None:
    """Statistics cover running instances only, and counters never decrease."""

    def statistics() -> list[Any]:
        request = ListStatisticsOfRunningInstancesRequest()
        return list(client.list_statistics_of_running_instances(request).statistics)

    instance_id = create(client, order(clean))
    assert statistics() == []
    clean.step(PROVISIONING + 600)
    (early,) = statistics()
    clean.step(3600)
    (late,) = statistics()
    assert early.instance_id == instance_id
    assert 0 < early.cmd_get_count < late.cmd_get_count
    assert 0 < early.cmd_set_count < late.cmd_set_count
    assert (late.used_memory, late.keys) == (early.used_memory, early.keys), "nobody wrote anything"
    assert 0 < late.used_memory < 0.01 * late.max_memory
    assert late.max_memory == show(client, instance_id).max_memory


def test_flavors(client: DcsClient) -> None:
    """The flavors cover every mode, CPU type and version."""

    def codes(**query: str) -> list[str]:
        return [flavor.spec_code for flavor in client.list_flavors(ListFlavorsRequest(**query)).flavors]

    assert HA_1 in codes(
        cache_mode="ha", engine="Redis", engine_version="6.0", cpu_type="x86_64", capacity="1"
    )
    assert codes(spec_code=HA_1) == [HA_1]
    for mode in ("single", "ha", "cluster", "proxy", "ha_rw_split"):
        found = client.list_flavors(ListFlavorsRequest(cache_mode=mode)).flavors
        assert found and {flavor.cache_mode for flavor in found} == {mode}
    for cpu in ("x86_64", "aarch64"):
        found = client.list_flavors(ListFlavorsRequest(cpu_type=cpu)).flavors
        assert found and {flavor.cpu_type for flavor in found} == {cpu}
    for version in ("3.0", "4.0", "5.0", "6.0", "7.0"):
        found = client.list_flavors(ListFlavorsRequest(engine_version=version)).flavors
        assert found and all(version in flavor.engine_version.split(";") for flavor in found)
    assert codes(spec_code="redis.none") == []


@pytest.mark.parametrize(("flags", "sells"), [((), False), (("--site", "newer"), False), (("--site", "older"), True)])
def test_redis_3_is_sold_at_older_sites_only(flags: tuple[str, ...], sells: bool) -> None:
    """A list without a version never begins with it."""
    with started(*flags) as target:
        client = sdk.dcs(target)
        found = client.list_flavors(ListFlavorsRequest(engine_version="3.0")).flavors or []
        assert bool(found) == sells
        for query in ({}, {"cache_mode": "ha"}, {"cache_mode": "single", "capacity": "2"}):
            first = client.list_flavors(ListFlavorsRequest(**query)).flavors[0]
            assert first.engine_version != "3.0"


def test_flavors_of_an_instance(clean: Simulator, client: DcsClient) -> None:
    """Only the SDK documents this parameter."""
    instance_id = running(clean)
    found = [
        one.spec_code for one in client.list_flavors(ListFlavorsRequest(instance_id=instance_id)).flavors
    ]
    assert HA_2 in found
    assert not any("au1" in code or code.startswith("dcs.") for code in found)


def test_zones_sell_out(main: Simulator, client: DcsClient) -> None:
    def zones() -> dict[str, str]:
        answer = client.list_available_zones(ListAvailableZonesRequest())
        assert answer.region_id == main.region
        return {zone.code[len(main.region) :]: zone.resource_availability for zone in answer.available_zones}

    def sells(zone: str) -> bool:
        flavors = client.list_flavors(ListFlavorsRequest(spec_code=HA_1)).flavors
        codes = [code for zones in flavors[0].flavors_available_zones for code in zones.az_codes]
        return main.region + zone in codes

    assert zones() == {"a": "true", "b": "true", "c": "true", "d": "false"}
    assert sells("c") and not sells("d")
    main.control("POST", f"/zones/{main.region}c", {"soldOut": True})
    assert (zones()["c"], sells("c")) == ("false", False)
    main.control("POST", f"/zones/{main.region}c", {"soldOut": False})
    assert (zones()["c"], sells("c")) == ("true", True)


def test_windows_cover_the_day(client: DcsClient) -> None:
    windows = client.list_maintenance_windows(ListMaintenanceWindowsRequest()).maintain_windows
    assert sorted(window.begin for window in windows) == [f"{hour:02}" for hour in range(24)]
    assert all((int(window.begin) + 1) % 24 == int(window.end) for window in windows)
    assert "18" in [window.begin for window in windows if window.default]
