"""The example requests of the reference are accepted unchanged.

Only flavors, zones and secrets are replaced.
"""

from __future__ import annotations

from typing import Any

import pytest

import sdk
import signing
from instances import PASSWORD, create, order, running
from simulator import Simulator

INSTANCES = "/v2/{project_id}/instances"
SINGLE: dict[str, Any] = {
    "name": "dcs-APItest",
    "description": "Test",
    "engine": "Redis",
    "engine_version": "5.0",
    "vpc_id": "5e37b3be-950a-48e1-b498-65b63d336481",
    "enable_ssl": False,
    "private_ip": "",
    "capacity": 1,
    "access_user": "",
    "password": PASSWORD,
    "enable_publicip": False,
    "spec_code": "redis.single.xu1.large.1",
    "subnet_id": "a4112635-3ec0-471c-95c3-5cf49b9533af",
    "no_password_access": False,
    "template_id": "b3ecc9c7-1133-4c47-a06a-21366e227d61",
}
HA: dict[str, Any] = {
    "vpc_id": "c5cd009b-9ba9-41f2-9a26-2b8c3f3ffd39",
    "description": "Test",
    "port": 4040,
    "enable_ssl": False,
    "private_ip": "",
    "capacity": 2,
    "access_user": "",
    "instance_num": 1,
    "password": PASSWORD,
    "enable_publicip": False,
    "engine": "Redis",
    "spec_code": "redis.ha.au1.large.r2.2",
    "name": "dcs-demo",
    "subnet_id": "7e95c4d6-d7af-424c-a3cf-2be10968fe81",
    "engine_version": "4.0",
    "no_password_access": False,
    "rename_commands": {"keys": "keys001", "flushdb": "flushdb001", "flushall": "flushall001"},
}
UPDATE: dict[str, Any] = {
    "name": "dcs002",
    "description": "instance description",
    "port": 6379,
    "maintain_begin": "18:00:00",
    "maintain_end": "19:00:00",
    "security_group_id": "18e9309f-f81a-4749-bb21-f74576292162",
    "instance_backup_policy": {
        "backup_type": "auto",
        "save_days": "1",
        "periodical_backup_plan": {
            "backup_at": ["1", "2", "3", "4", "6", "7"],
            "period_type": "weekly",
            "begin_at": "00:00-01:00",
        },
    },
}


@pytest.mark.parametrize(("body", "zones"), [(SINGLE, "a"), (HA, "ab")])
def test_create(clean: Simulator, body: dict[str, Any], zones: str) -> None:
    """4.1.1"""
    sent = {**body, "az_codes": [clean.region + zone for zone in zones]}
    answer = signing.send(clean, "POST", INSTANCES, body=sent)
    assert answer.status == 200, answer.body
    (created,) = answer.json()["instances"]
    assert created["instance_name"] == body["name"]


def test_update(clean: Simulator) -> None:
    """4.1.6, whose example has numbers as strings."""
    instance_id = running(clean)
    answer = signing.send(clean, "PUT", f"{INSTANCES}/{instance_id}", body=UPDATE)
    assert answer.status == 204, answer.body
    shown = signing.send(clean, "GET", f"{INSTANCES}/{instance_id}").json()
    assert (shown["name"], shown["description"]) == ("dcs002", "instance description")
    assert shown["instance_backup_policy"]["policy"]["save_days"] == 1
    assert shown["instance_backup_policy"]["policy"]["periodical_backup_plan"]["backup_at"] == [
        1,
        2,
        3,
        4,
        6,
        7,
    ]


QUERIES = {
    "4.1.2": (
        "/instances",
        {"offset": "0", "limit": "10", "include_failure": "true", "include_delete": "true"},
    ),
    "4.2.4": ("/instances/status", {"include_failure": "true"}),
    "4.2.4, spelled as in its table": ("/instances/status", {"include_failures": "true"}),
    "4.8.1": ("/instances/{}/tasks", {"offset": "0", "limit": "10", "end_time": "20200617155959"}),
    "4.9.1": ("/flavors", {"cache_mode": "ha", "engine": "Redis", "engine_version": "5.0", "capacity": "2"}),
}


@pytest.mark.parametrize("section", QUERIES)
def test_queries(clean: Simulator, section: str) -> None:
    path, query = QUERIES[section]
    instance_id = create(sdk.dcs(clean), order(clean))
    path = "/v2/{project_id}" + path.replace("{}", instance_id)
    answer = signing.send(clean, "GET", path, query=list(query.items()))
    assert answer.status == 200, answer.body
