"""Limits of the operations on existing instances."""

from __future__ import annotations

from huaweicloudsdkdcs.v2 import RenameCommandResp, ResourceTag

from limits import (
    CLUSTER_SIZES,
    HA_SIZES,
    INVALID,
    NAME_SHAPES,
    RENAMABLE,
    WINDOWS,
    WRONG_SIZE,
    backups,
    by_value,
    length,
    limits_of,
    numbers,
    password,
    tag_key,
    tag_value,
    tags,
)

list_instances = limits_of("ListInstances", "4.1.2")
list_tasks = limits_of("ListBackgroundTask", "4.8.1")
update = limits_of("UpdateInstance", "4.1.6")
resize = limits_of("ResizeInstance", "4.1.7")
reset_password = limits_of("ResetPassword", "4.2.3")
change_tags = limits_of("BatchCreateOrDeleteTags", "4.1.1")

REPLICA = {"spec_code": "redis.ha.xu1.large.r3.1", "new_capacity": 1, "change_type": "createReplication"}
"""A request for one more replica."""

CHANGE = [
    # --- list ---
    list_instances("limit", "1 to 1,000", "DCS.4800", **numbers(1, 1000)),
    *(
        limit("offset", "at least 0", "DCS.4800", {"at 0": 0, "above 0": 1}, {"below 0": -1})
        for limit in (list_instances, list_tasks)
    ),
    list_tasks(
        "start_time",
        "yyyyMMddHHmmss",
        INVALID,
        {"valid": "20200609160000"},
        {"with dashes": "2020-06-09", "no date": "20201309160000"},
    ),
    list_tasks(
        "end_time",
        "after the start",
        "DCS.4025",
        {"after": "20200609160001", "the same": "20200609160000"},
        {"before": "20200609155959"},
        given={"start_time": "20200609160000"},
    ),
    # --- update ---
    update("name", "4 to 64 characters", "DCS.4010", **length(4, 64)),
    update("name", "letters, digits, - and _", "DCS.4010", **NAME_SHAPES),
    update("name", "a letter first", "DCS.4010", refused={"a digit first": "9abc"}),
    update("description", "0 to 1,024 characters", "DCS.4011", **length(0, 1024)),
    update("port", "1 to 65535", INVALID, **numbers(1, 65535)),
    update("window", "one of the windows", "DCS.4106", **WINDOWS),
    update(
        "rename_commands",
        "nine commands",
        INVALID,
        {name: RenameCommandResp(**{name: "renamed"}) for name in RENAMABLE},
        {"another": {"get": "renamed"}},
    ),
    *backups(update),
    # --- resize ---
    resize(
        "spec_code",
        "a flavor",
        "DCS.4927",
        refused={"another": "redis.ha.xu1.large.r2.3"},
        given={"new_capacity": 3},
    ),
    resize(
        "new_capacity",
        "0.125 to 64 GB, ha",
        WRONG_SIZE,
        given={"mode": "ha"},
        accepted=by_value(gb for gb in HA_SIZES if gb != 1),
        refused={"below 0.125": 0.0625, "above 64": 128, "not the flavor's": (2, 4)},
    ),
    resize(
        "new_capacity",
        "4 to 1,024 GB, cluster",
        WRONG_SIZE,
        given={"mode": "cluster"},
        accepted=by_value(gb for gb in CLUSTER_SIZES if gb != 4),
        refused={"below 4": 2, "above 1024": 2048},
    ),
    resize(
        "change_type",
        "four values",
        INVALID,
        refused={"another": "createShard"},
        given={"spec_code": "redis.ha.xu1.large.r3.1", "new_capacity": 1},
    ),
    resize(
        "available_zones",
        "one for the new replica",
        "DCS.4933",
        {"one": "c"},
        {"none": "", "another": "x"},
        given=REPLICA,
    ),
    resize("available_zones", "an available zone", "DCS.4054", refused={"sold out": "d"}, given=REPLICA),
    resize(
        "change_type",
        "ha keeps one replica",
        frozenset({"DCS.4935", "DCS.4937"}),
        refused={"delete the last": "deleteReplication"},
        given={"spec_code": "redis.ha.xu1.large.r1.1", "new_capacity": 1},
    ),
    resize(
        "new_capacity",
        "a change of size",
        frozenset({"DCS.4012", "DCS.4103"}),
        refused={"the same": 1},
        given={"mode": "ha"},
    ),
    resize(
        "new_capacity",
        "3.0 proxy does not shrink",
        frozenset({"DCS.4102", "DCS.4103"}),
        {"more": 256},
        {"less": 64},
        given={"kind": "proxy of 3.0", "spec_code": "dcs.cluster"},
    ),
    resize(
        "node_list",
        "the one replica to remove",
        "DCS.4930",
        refused={"none": None, "two": ["f" * 32, "e" * 32], "unknown": ["f" * 32]},
        given={
            "kind": "ha with 2 replicas",
            "spec_code": "redis.ha.xu1.large.r2.1",
            "new_capacity": 1,
            "change_type": "deleteReplication",
        },
    ),
    resize(
        "change_type",
        "four replicas at most",
        "DCS.4875",
        refused={"a fifth": "createReplication"},
        given={"kind": "ha with 4 replicas", "spec_code": "redis.ha.xu1.large.r6.1", "new_capacity": 1},
    ),
    resize(
        "spec_code",
        "a mode that ha can change to",
        "DCS.4200",
        {"proxy": ("redis.proxy.xu1.large.4", 4)},
        {"single": ("redis.single.xu1.large.1", 1), "cluster": ("redis.cluster.xu1.large.r2.4", 4)},
        given={"change_type": "instanceType"},
    ),
    # --- password ---
    reset_password(
        "new_password", "8 to 64 characters", "DCS.4019", section="4.1.1", **length(8, 64, password)
    ),
    reset_password(
        "new_password",
        "not the old one",
        frozenset({"DCS.4019", "DCS.4845"}),
        refused={"the old one": "old"},
        section="4.1.1",
    ),
    reset_password("new_password", "required without no_password_access", "DCS.4845", refused={"none": None}),
    reset_password(
        "new_password",
        "omitted with no_password_access",
        "DCS.4849",
        {"none": None},
        {"one": "Abcdefg1"},
        given={"no_password_access": True},
    ),
    # --- tags ---
    change_tags("tags", "keys of 1 to 36 characters", INVALID, **length(1, 36, tag_key)),
    change_tags("tags", "values of at most 43 characters", INVALID, **length(0, 43, tag_value)),
    change_tags("tags", "a value to create", INVALID, refused={"no value": [ResourceTag(key="k")]}),
    change_tags(
        "tags",
        "no value to delete",
        INVALID,
        {"no value": [ResourceTag(key="k")]},
        given={"action": "delete"},
    ),
    change_tags(
        "action",
        "create or delete",
        INVALID,
        {"create": "create", "delete": "delete"},
        {"another": "replace"},
        given={"tags": tags(1)},
        section="SDK",
    ),
]
