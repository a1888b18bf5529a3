"""Helpers for backups, restores and background tasks."""

from __future__ import annotations

from typing import Any

from huaweicloudsdkdcs.v2 import (
    BackupInstanceBody,
    CopyInstanceRequest,
    DcsClient,
    DeleteBackgroundTaskRequest,
    DeleteBackupFileRequest,
    DownloadBackupFilesReq,
    ListBackgroundTaskRequest,
    ListBackupFileLinksRequest,
    ListBackupRecordsRequest,
    ListRestoreRecordsRequest,
    RestoreInstanceBody,
    RestoreInstanceRequest,
    ShowBackgroundTaskProgressRequest,
)

import sdk
from simulator import Simulator

QUEUE = 10
BACKUP = 60
RESTORE = 60
"""Default durations of the simulator in simulated seconds."""


def copy(client: DcsClient, instance_id: str, **fields: Any) -> Any:
    """Requests a backup."""
    return client.copy_instance(CopyInstanceRequest(instance_id, BackupInstanceBody(**fields)))


def backed_up(target: Simulator, instance_id: str, **fields: Any) -> str:
    """Makes a backup, waits for its end and returns its id."""
    backup_id = copy(sdk.dcs(target), instance_id, **fields).backup_id
    target.step(QUEUE + BACKUP)
    return str(backup_id)


def backups(client: DcsClient, instance_id: str, **query: Any) -> Any:
    """Lists backups."""
    return client.list_backup_records(ListBackupRecordsRequest(instance_id=instance_id, **query))


def delete_backup(client: DcsClient, instance_id: str, backup_id: str) -> Any:
    """Deletes a backup."""
    return client.delete_backup_file(DeleteBackupFileRequest(backup_id=backup_id, instance_id=instance_id))


def links(client: DcsClient, instance_id: str, backup_id: str, expiration: int = 1800) -> Any:
    """Requests the links of a backup."""
    body = DownloadBackupFilesReq(expiration=expiration)
    request = ListBackupFileLinksRequest(instance_id=instance_id, backup_id=backup_id, body=body)
    return client.list_backup_file_links(request)


def restore(client: DcsClient, instance_id: str, backup_id: str, remark: str | None = None) -> Any:
    """Restores a backup."""
    body = RestoreInstanceBody(backup_id=backup_id, remark=remark)
    return client.restore_instance(RestoreInstanceRequest(instance_id, body))


def restores(client: DcsClient, instance_id: str, **query: Any) -> Any:
    """Lists restores."""
    return client.list_restore_records(ListRestoreRecordsRequest(instance_id=instance_id, **query))


def tasks(client: DcsClient, instance_id: str) -> Any:
    """The background tasks of an instance, newest first."""
    return client.list_background_task(ListBackgroundTaskRequest(instance_id=instance_id)).tasks


def progress(client: DcsClient, instance_id: str, task_id: str) -> Any:
    """The progress of a background task."""
    request = ShowBackgroundTaskProgressRequest(instance_id=instance_id, task_id=task_id)
    return client.show_background_task_progress(request)


def delete_task(client: DcsClient, instance_id: str, task_id: str) -> Any:
    """Removes the record of a background task."""
    request = DeleteBackgroundTaskRequest(instance_id=instance_id, task_id=task_id)
    return client.delete_background_task(request)
