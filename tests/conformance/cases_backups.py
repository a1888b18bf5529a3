"""The cases of the field table for backups, restores and background tasks."""

from __future__ import annotations

from typing import Any

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
from cases import SampleSites, case
from instances import far_hour, running, weekly


def _restored(sites: SampleSites, failing: int) -> Any:
    """The restores of an instance after one that fails or not."""
    site = sites.main
    instance_id = running(site.target)
    backup_id = backed_up(site.target, instance_id, remark="before the sale")
    site.target.control("POST", "/fail-next-restores", {"count": failing})
    restore(site.client, instance_id, backup_id, "undo")
    site.target.step(QUEUE + RESTORE)
    return restores(site.client, instance_id)


def _task(sites: SampleSites, failing: int) -> tuple[str, str]:
    """An instance and its task after a backup that fails or not."""
    site = sites.main
    instance_id = running(site.target)
    site.target.control("POST", "/fail-next-backups", {"count": failing})
    backed_up(site.target, instance_id)
    return instance_id, tasks(site.client, instance_id)[0].id


@case("CopyInstance", "one")
def _(sites: SampleSites) -> Any:
    """an ha instance"""
    answer = copy(sites.main.client, running(sites.main.target), remark="r", backup_format="aof")
    sites.main.target.step(QUEUE + BACKUP)
    return answer


@case("ListBackupRecords", "manual")
def _(sites: SampleSites) -> Any:
    """a backup that was requested"""
    instance_id = running(sites.main.target)
    backed_up(sites.main.target, instance_id, remark="r", backup_format="rdb")
    return backups(sites.main.client, instance_id)


@case("ListBackupRecords", "automatic")
def _(sites: SampleSites) -> Any:
    """a backup by the policy"""
    target = sites.main.target
    instance_id = running(target, instance_backup_policy=weekly(begin_at=far_hour()))
    target.control("POST", f"/instances/{instance_id}/backups", {"type": "auto"})
    target.step(QUEUE + BACKUP)
    return backups(sites.main.client, instance_id)


@case("ListBackupRecords", "failed")
def _(sites: SampleSites) -> Any:
    """a backup that failed"""
    target = sites.main.target
    instance_id = running(target)
    target.control("POST", "/fail-next-backups", {"count": 1})
    backed_up(target, instance_id, remark="r")
    return backups(sites.main.client, instance_id)


@case("ListBackupFileLinks", "one")
def _(sites: SampleSites) -> Any:
    """a backup of an ha instance"""
    instance_id = running(sites.main.target)
    return links(sites.main.client, instance_id, backed_up(sites.main.target, instance_id))


@case("DeleteBackupFile", "one")
def _(sites: SampleSites) -> Any:
    """a backup that succeeded"""
    instance_id = running(sites.main.target)
    return delete_backup(sites.main.client, instance_id, backed_up(sites.main.target, instance_id))


@case("RestoreInstance", "one")
def _(sites: SampleSites) -> Any:
    """a backup of the same instance"""
    instance_id = running(sites.main.target)
    answer = restore(sites.main.client, instance_id, backed_up(sites.main.target, instance_id))
    sites.main.target.step(QUEUE + RESTORE)
    return answer


@case("ListRestoreRecords", "succeeded")
def _(sites: SampleSites) -> Any:
    """a restore that succeeded"""
    return _restored(sites, 0)


@case("ListRestoreRecords", "failed")
def _(sites: SampleSites) -> Any:
    """a restore that failed"""
    return _restored(sites, 1)


@case("ShowBackgroundTaskProgress", "done")
def _(sites: SampleSites) -> Any:
    """the task of a backup"""
    return progress(sites.main.client, *_task(sites, 0))


@case("ShowBackgroundTaskProgress", "failed")
def _(sites: SampleSites) -> Any:
    """the task of a backup that failed"""
    return progress(sites.main.client, *_task(sites, 1))


@case("DeleteBackgroundTask", "done")
def _(sites: SampleSites) -> Any:
    """the task of a backup"""
    return delete_task(sites.main.client, *_task(sites, 0))
