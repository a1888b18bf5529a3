"""Backups, restores and background tasks through the SDK: states, refusals, limits."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from huaweicloudsdkdcs.v2 import DcsClient

import sdk
import signing
from backups import (
    BACKUP,
    QUEUE,
    RESTORE,
    backed_up,
    backups,
    copy,
    delete_backup,
    delete_task,
    links,
    progress,
    restore,
    restores,
    tasks,
)
from instances import (
    HA_1,
    HA_2,
    OPERATION,
    SMALL,
    create,
    delete,
    order,
    reset_password,
    resize,
    running,
    show,
    update,
)
from simulator import Simulator, started

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def refused(call: Callable[[], Any]) -> str:
    """The code of the HTTP 400 that refuses ``call``."""
    error = sdk.refusal(call)
    assert error.status_code == 400, error
    return str(error.error_code)


def statuses(client: DcsClient, instance_id: str) -> list[str]:
    """The statuses of all backups, newest first."""
    return [record.status for record in backups(client, instance_id, limit=1000).backup_record_response]


def task_of(target: Simulator, instance_id: str) -> Any:
    """The undocumented field ``task``, which the SDK drops."""
    return signing.send(target, "GET", f"/v2/{{project_id}}/instances/{instance_id}").json()["task"]


# --- backups ---


def test_a_backup_waits_runs_and_succeeds(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    backup_id = copy(client, instance_id, remark="r").backup_id
    for step, status, shown in (
        (0, "waiting", "0.00"),
        (QUEUE, "backuping", "0.00"),
        (30, "backuping", "50.00"),
    ):
        clean.step(step)
        (record,) = backups(client, instance_id).backup_record_response
        assert (record.backup_id, record.status, record.progress) == (backup_id, status, shown)
        assert (record.is_support_restore, record.size) == ("FALSE", None)
        assert (show(client, instance_id).status, task_of(clean, instance_id)) == ("RUNNING", "BACKUPING")
    clean.step(30)
    (record,) = backups(client, instance_id).backup_record_response
    assert (record.status, record.progress, record.is_support_restore) == ("succeed", "100.00", "TRUE")
    assert record.size > 0
    assert record.created_at < record.execution_at < record.updated_at
    assert task_of(clean, instance_id) is None


def test_a_backup_keeps_the_instance_busy(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    backup_id = backed_up(clean, instance_id)
    present = copy(client, instance_id).backup_id
    for call in (
        lambda: copy(client, instance_id),
        lambda: restore(client, instance_id, backup_id),
        lambda: resize(client, instance_id, HA_2, 2),
        lambda: update(client, instance_id, port=6390),
        lambda: reset_password(client, instance_id, new_password="Bb456789"),
        lambda: delete(client, instance_id),
        lambda: delete_backup(client, instance_id, present),
    ):
        assert refused(call) == "DCS.4096"
    clean.step(QUEUE + BACKUP)
    delete(client, instance_id)


def test_an_empty_list_is_no_content(clean: Simulator) -> None:
    instance_id = running(clean)
    for name in ("backups", "restores"):
        answer = signing.send(clean, "GET", f"/v2/{{project_id}}/instances/{instance_id}/{name}")
        assert (answer.status, answer.body) == (204, b""), name


def test_lists_are_filtered_and_paged(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    made = [backed_up(clean, instance_id) for _ in range(3)]

    def ids(**query: Any) -> list[str]:
        return [record.backup_id for record in backups(client, instance_id, **query).backup_record_response]

    assert ids() == made[::-1]
    assert (ids(limit=2), ids(limit=2, offset=2)) == ([made[2], made[1]], [made[0]])
    assert backups(client, instance_id, limit=1).total_num == 3
    first = backups(client, instance_id).backup_record_response[2].created_at
    stamp = "".join(character for character in first[:19] if character.isdigit())
    assert ids(end_time=f"{int(stamp) + 1}") == [made[0]]
    assert ids(begin_time=stamp) == made[::-1]
    for query, code in (
        ({"begin_time": "20990101000000"}, "DCS.4031"),
        ({"begin_time": stamp, "end_time": "20000101000000"}, "DCS.4025"),
        ({"begin_time": "2020-06-09"}, "DCS.4800"),
        ({"limit": 0}, "DCS.4800"),
        ({"offset": -1}, "DCS.4800"),
    ):
        assert refused(lambda: backups(client, instance_id, **query)) == code, query
        assert refused(lambda: restores(client, instance_id, **query)) == code, query


def test_the_limit_removes_the_earliest(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    for _ in range(24):
        backed_up(clean, instance_id)
    assert statuses(client, instance_id) == ["succeed"] * 24
    backed_up(clean, instance_id)
    assert statuses(client, instance_id) == ["succeed"] * 24 + ["expired"]


@pytest.mark.parametrize(
    ("remark", "good"), [("x" * 127, True), ("x" * 128, True), ("x" * 129, False), ("缓" * 128, True)]
)
def test_the_length_of_a_remark(clean: Simulator, client: DcsClient, remark: str, good: bool) -> None:
    instance_id = running(clean)
    if good:
        backup_id = backed_up(clean, instance_id, remark=remark)
        assert backups(client, instance_id).backup_record_response[0].remark == remark
        restore(client, instance_id, backup_id, remark)
        assert restores(client, instance_id).restore_record_response[0].restore_remark == remark
    else:
        backup_id = backed_up(clean, instance_id)
        assert refused(lambda: copy(client, instance_id, remark=remark)) == "DCS.4098"
        assert refused(lambda: restore(client, instance_id, backup_id, remark)) == "DCS.4098"


def test_formats(clean: Simulator, client: DcsClient) -> None:
    new = running(clean)
    old = running(
        clean, engine_version="3.0", spec_code="dcs.master_standby", capacity=2.0, security_group_id="sg-1"
    )
    for instance_id, asked, made in ((new, None, "rdb"), (new, "aof", "aof"), (old, None, "aof")):
        backed_up(clean, instance_id, backup_format=asked)
        assert backups(client, instance_id).backup_record_response[0].backup_format == made
    assert refused(lambda: copy(client, new, backup_format="zip")) == "DCS.4800"
    assert refused(lambda: copy(client, old, backup_format="rdb")) == "DCS.4800"


def test_a_single_node_has_no_backups(clean: Simulator, client: DcsClient) -> None:
    single = running(clean, spec_code=SMALL, capacity=0.125, az_codes=[f"{clean.region}a"])
    assert refused(lambda: copy(client, single)) in ("DCS.4086", "DCS.4095")
    assert refused(lambda: restore(client, single, UNKNOWN)) in ("DCS.4086", "DCS.4095")


def test_an_instance_that_is_created_has_no_backups(clean: Simulator, client: DcsClient) -> None:
    instance_id = create(client, order(clean))
    assert refused(lambda: copy(client, instance_id)) == "DCS.4118"


def test_a_backup_is_deleted(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    backup_id = backed_up(clean, instance_id)
    path = f"/v2/{{project_id}}/instances/{instance_id}/backups/{backup_id}"
    answer = signing.send(clean, "DELETE", path)
    assert (answer.status, answer.body) == (204, b"")
    assert statuses(client, instance_id) == ["deleted"]
    assert refused(lambda: delete_backup(client, instance_id, backup_id)) == "DCS.4031"
    assert refused(lambda: delete_backup(client, instance_id, UNKNOWN)) == "DCS.4031"


def test_backups_go_with_their_instance(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    backed_up(clean, instance_id)
    delete(client, instance_id)
    clean.step(OPERATION)
    error = sdk.refusal(lambda: backups(client, instance_id))
    assert (error.status_code, error.error_code) == (404, "DCS.3022")


def test_links(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    running_backup = copy(client, instance_id).backup_id
    assert refused(lambda: links(client, instance_id, running_backup)) == "DCS.4087"
    clean.step(QUEUE + BACKUP)
    for seconds in (300, 86_400):
        (link,) = links(client, instance_id, running_backup, seconds).links
        assert link.file_name in link.link
    for seconds in (299, 86_401):
        assert refused(lambda: links(client, instance_id, running_backup, seconds)) == "DCS.4800"
    assert refused(lambda: links(client, instance_id, UNKNOWN)) == "DCS.4063"
    assert "Signature=" not in str(clean.control("GET", "/journal"))


# --- restores ---


def test_a_restore_overwrites_the_data(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    clean.alter(instance_id, used_memory=100)
    backup_id = backed_up(clean, instance_id, remark="before")
    clean.alter(instance_id, used_memory=200)
    restore_id = restore(client, instance_id, backup_id, "undo").restore_id
    for step, status in ((0, "waiting"), (QUEUE, "restoring")):
        clean.step(step)
        (record,) = restores(client, instance_id).restore_record_response
        assert (record.restore_id, record.status) == (restore_id, status)
        assert (show(client, instance_id).status, task_of(clean, instance_id)) == ("RESTORING", "RESTORING")
    for call in (
        lambda: copy(client, instance_id),
        lambda: restore(client, instance_id, backup_id),
        lambda: update(client, instance_id, port=6390),
        lambda: delete_backup(client, instance_id, backup_id),
    ):
        assert refused(call) == "DCS.4097"
    clean.step(RESTORE)
    (record,) = restores(client, instance_id).restore_record_response
    assert (record.status, record.backup_id, record.backup_remark) == ("succeed", backup_id, "before")
    after = show(client, instance_id)
    assert (after.status, after.used_memory) == ("RUNNING", 100)


def test_a_broken_restore_leaves_the_data(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    backup_id = backed_up(clean, instance_id)
    clean.alter(instance_id, used_memory=200)
    clean.control("POST", "/fail-next-restores", {"count": 1})
    restore(client, instance_id, backup_id)
    clean.step(QUEUE + RESTORE)
    (record,) = restores(client, instance_id).restore_record_response
    assert (record.status, record.error_code) == ("failed", "dcs.08.0007")
    after = show(client, instance_id)
    assert (after.status, after.used_memory) == ("RUNNING", 200)


def test_only_a_backup_that_succeeded_is_restored(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    clean.control("POST", "/fail-next-backups", {"count": 1})
    failed, deleted, expired = (backed_up(clean, instance_id) for _ in range(3))
    delete_backup(client, instance_id, deleted)
    clean.control("POST", f"/instances/{instance_id}/backups/{expired}", {"status": "expired"})
    for backup_id in (failed, deleted, expired):
        assert refused(lambda: restore(client, instance_id, backup_id)) == "DCS.4087"
    assert refused(lambda: restore(client, instance_id, UNKNOWN)) == "DCS.4063"


@pytest.mark.parametrize(
    ("before", "after", "expected"), [((HA_1, 1), (HA_2, 2), "TRUE"), ((HA_2, 2), (HA_1, 1), "FALSE")]
)
def test_a_smaller_instance_takes_no_older_backup(
    clean: Simulator, client: DcsClient, before: tuple[str, int], after: tuple[str, int], expected: str
) -> None:
    instance_id = running(clean, spec_code=before[0], capacity=float(before[1]))
    backed_up(clean, instance_id)
    resize(client, instance_id, *after)
    clean.step(OPERATION)
    (record,) = backups(client, instance_id).backup_record_response
    assert record.is_support_restore == expected


# --- what differs between sites ---


def test_what_is_not_documented_is_a_flag() -> None:
    flags = ["--delete-running-backups", "--hide-removed-backups", "--offset-counts-pages"]
    with started(*flags, "--backup-limit", "2", "--backup-limit-counts-failed") as target:
        client = sdk.dcs(target)
        instance_id = running(target)
        made = [backed_up(target, instance_id) for _ in range(3)]
        assert statuses(client, instance_id) == ["succeed", "succeed"], "the third one removed the first"
        page = backups(client, instance_id, limit=1, offset=1).backup_record_response
        assert [record.backup_id for record in page] == [made[1]]
        present = copy(client, instance_id).backup_id
        delete_backup(client, instance_id, present)
        assert task_of(target, instance_id) is None
        listed = backups(client, instance_id).backup_record_response
        assert present not in [record.backup_id for record in listed]
    with started("--without-backups") as target:
        client = sdk.dcs(target)
        instance_id = running(target)
        assert refused(lambda: copy(client, instance_id)) == "DCS.4095"
        assert refused(lambda: restore(client, instance_id, UNKNOWN)) == "DCS.4095"


# --- background tasks ---


def test_a_task_shows_its_progress_and_is_removed(clean: Simulator, client: DcsClient) -> None:
    instance_id = running(clean)
    copy(client, instance_id)
    clean.step((QUEUE + BACKUP) / 2)
    task = tasks(client, instance_id)[0]
    assert (task.name, task.status) == ("BackupInstance", "EXECUTING")
    shown = progress(client, instance_id, task.id)
    assert (shown.progress, shown.remain_time) == (50, 35)
    assert shown.step_details[0].step_status == "EXECUTING"
    assert refused(lambda: delete_task(client, instance_id, task.id)) == "DCS.4017"
    clean.step((QUEUE + BACKUP) / 2)
    assert progress(client, instance_id, task.id).step_details[0].step_status == "FINISH"
    delete_task(client, instance_id, task.id)
    assert task.id not in [one.id for one in tasks(client, instance_id)]
    for call in (delete_task, progress):
        assert refused(lambda: call(client, instance_id, task.id)) == "DCS.4063"
        assert refused(lambda: call(client, instance_id, "no-id")) == "DCS.4070"
