"""Helpers for instances, and the sample instances that together set every field that can be set."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from huaweicloudsdkdcs.v2 import (
    BackupPlan,
    BackupPolicy,
    BatchCreateOrDeleteTagsRequest,
    CreateInstanceBody,
    CreateInstanceRequest,
    CreateOrDeleteInstanceTags,
    DcsClient,
    DeleteSingleInstanceRequest,
    ModifyInstanceBody,
    RenameCommandResp,
    ResetInstancePasswordBody,
    ResetPasswordRequest,
    ResizeInstanceBody,
    ResizeInstanceRequest,
    ResourceTag,
    ShowInstanceRequest,
    UpdateInstanceRequest,
)

import sdk
from simulator import Simulator

PASSWORD = "Aa345678"
"""A valid password on every site."""
PROVISIONING = 100
OPERATION = 60
"""Default durations of the simulator in simulated seconds."""
HA_1 = "redis.ha.xu1.large.r2.1"
HA_2 = "redis.ha.xu1.large.r2.2"
SMALL = "redis.single.xu1.tiny.128"
CLUSTER_4 = "redis.cluster.xu1.large.r2.4"


def order(target: Simulator, **changes: Any) -> CreateInstanceBody:
    """A minimal request for a 1 GB ha instance of Redis 6.0, with ``changes``."""
    fields: dict[str, Any] = {
        "name": "conformance",
        "engine": "Redis",
        "engine_version": "6.0",
        "capacity": 1.0,
        "spec_code": HA_1,
        "az_codes": [f"{target.region}a", f"{target.region}b"],
        "vpc_id": "5e37b3be-950a-48e1-b498-65b63d336481",
        "subnet_id": "a4112635-3ec0-471c-95c3-5cf49b9533af",
        "password": PASSWORD,
    }
    if changes.get("no_password_access"):
        fields["password"] = None
    return CreateInstanceBody(**{**fields, **changes})


def weekly(**changes: Any) -> BackupPolicy:
    """An automatic backup policy with ``changes`` to it or to its plan."""
    plan = {
        "timezone_offset": "+0000",
        "backup_at": [1, 7],
        "period_type": "weekly",
        "begin_at": "00:00-01:00",
    }
    plan.update({name: changes.pop(name) for name in list(changes) if name in plan})
    return BackupPolicy(
        **{"backup_type": "auto", "save_days": 7, "periodical_backup_plan": BackupPlan(**plan), **changes}
    )


def far_hour() -> str:
    """An hour of a backup policy that no test reaches: half a day away."""
    hour = (datetime.now(timezone.utc).hour + 12) % 24
    return f"{hour:02}:00-{(hour + 1) % 24:02}:00"


def create(client: DcsClient, body: CreateInstanceBody) -> str:
    """Creates one instance and returns its id."""
    answer = client.create_instance(CreateInstanceRequest(body=body))
    (created,) = answer.instances
    return str(created.instance_id)


def running(target: Simulator, **changes: Any) -> str:
    """Creates an instance, waits until it runs and returns its id."""
    instance_id = create(sdk.dcs(target), order(target, **changes))
    target.step(PROVISIONING)
    return instance_id


def show(client: DcsClient, instance_id: str) -> Any:
    """Returns the details of an instance."""
    return client.show_instance(ShowInstanceRequest(instance_id=instance_id))


def update(client: DcsClient, instance_id: str, **changes: Any) -> Any:
    """Changes settings of an instance."""
    body = ModifyInstanceBody(**changes)
    return client.update_instance(UpdateInstanceRequest(instance_id=instance_id, body=body))


def resize(client: DcsClient, instance_id: str, spec_code: str, new_capacity: float, **more: Any) -> Any:
    """Resizes an instance."""
    body = ResizeInstanceBody(spec_code=spec_code, new_capacity=new_capacity, **more)
    return client.resize_instance(ResizeInstanceRequest(instance_id=instance_id, body=body))


def reset_password(client: DcsClient, instance_id: str, **fields: Any) -> Any:
    """Resets the password of an instance."""
    body = ResetInstancePasswordBody(**fields)
    return client.reset_password(ResetPasswordRequest(instance_id=instance_id, body=body))


def change_tags(client: DcsClient, instance_id: str, action: str, *tags: ResourceTag) -> Any:
    """Adds or removes tags of an instance."""
    body = CreateOrDeleteInstanceTags(action=action, tags=list(tags))
    return client.batch_create_or_delete_tags(BatchCreateOrDeleteTagsRequest(instance_id, body))


def delete(client: DcsClient, instance_id: str) -> Any:
    """Deletes an instance."""
    return client.delete_single_instance(DeleteSingleInstanceRequest(instance_id=instance_id))


class SampleSite:
    """A simulator with the sample instances of the field table."""

    def __init__(self, target: Simulator) -> None:
        self.target = target
        self.client = sdk.dcs(target)
        self.ids: dict[str, str] = {}
        self._create()
        target.step(PROVISIONING)
        self._start_tasks()

    def _add(self, case: str, **changes: Any) -> None:
        body = order(self.target, name=f"world-{case}", **changes)
        self.ids[case] = create(self.client, body)

    def _create(self) -> None:
        self._add(
            "ha",
            description="a description",
            port=6380,
            maintain_begin="22:00:00",
            maintain_end=self.window_end,
            instance_backup_policy=weekly(begin_at=far_hour()),
            tags=[ResourceTag(key="team", value="conformance")],
        )
        zone = [f"{self.target.region}a"]
        self._add("small", spec_code=SMALL, capacity=0.125, az_codes=zone, no_password_access=True)
        self._add("cluster", spec_code=CLUSTER_4, capacity=4.0)
        self._add(
            "old",
            engine_version="3.0",
            spec_code="dcs.master_standby",
            capacity=2.0,
            security_group_id="sg-1",
        )
        for case in ("resized", "replicated", "moved", "renamed"):
            self._add(case)

    @property
    def window_end(self) -> str:
        """End of the maintenance window from 22:00; newer sites have four-hour windows."""
        return "02:00:00" if "newer" in self.target.flags else "23:00:00"

    def _start_tasks(self) -> None:
        """Starts a different background task on each of the last instances."""
        resize(self.client, self.ids["resized"], HA_2, 2)
        resize(
            self.client,
            self.ids["replicated"],
            "redis.ha.xu1.large.r3.1",
            1,
            change_type="createReplication",
            available_zones=[f"{self.target.region}c"],
        )
        update(self.client, self.ids["moved"], port=6390)
        renamed = RenameCommandResp(keys="k-e-y-s", flushall="f-l-u-s-h")
        update(self.client, self.ids["renamed"], rename_commands=renamed)
        self.target.step(OPERATION)
