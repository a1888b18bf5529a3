"""Limits of an instance creation."""

from __future__ import annotations

from instances import weekly
from limits import (
    CLUSTER_SIZES,
    HA_SIZES,
    INVALID,
    NAME_SHAPES,
    NO_BACKUPS,
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

VERSION_3 = {
    "engine_version": "3.0",
    "spec_code": "dcs.single_node",
    "capacity": 2,
    "security_group_id": "sg",
}

create = limits_of("CreateInstance", "4.1.1")

CREATE = [
    create("name", "4 to 64 characters", "DCS.4010", **length(4, 64)),
    create("name", "letters, digits, - and _", "DCS.4010", **NAME_SHAPES),
    create("name", "a digit may come first", "DCS.4010", {"a digit first": "9abc"}),
    create("name", "4 to 56 characters in a batch", "DCS.4010", given={"instance_num": 2}, **length(4, 56)),
    create("name", "not empty", "DCS.4010", refused={"empty": "", "none": None}),
    create("instance_num", "1 to 100", INVALID, **numbers(1, 100)),
    create("description", "at most 1,024 characters", "DCS.4011", **length(0, 1024)),
    create(
        "description",
        "characters, not bytes",
        "DCS.4011",
        {"at 1024": "ä" * 1024},
        {"above 1024": "ä" * 1025},
    ),
    create("engine", "Redis", "DCS.4006", {"Redis": "Redis"}, {"another": "Valkey", "none": None}),
    create(
        "engine_version",
        "3.0 to 7.0",
        "DCS.4008",
        by_value(("4.0", "5.0", "6.0")),
        {"below": "2.8", "above": "8.0", "none": None},
    ),
    create("spec_code", "a flavor", "DCS.4927", refused={"another": "redis.ha.xu1.large.r2.3", "none": None}),
    create(
        "spec_code",
        "a flavor of the version",
        frozenset({"DCS.4007", "DCS.4927"}),
        refused={"of 3.0": "dcs.master_standby"},
    ),
    create(
        "capacity",
        "the flavor's",
        "DCS.4012",
        {"its own": 1.0},
        {"below": 0.5, "above": 2, "zero": 0, "negative": -1, "none": None},
    ),
    *(
        create(
            "capacity",
            f"0.125 to 64 GB, {mode}",
            WRONG_SIZE,
            given={"mode": mode},
            accepted=by_value(HA_SIZES),
            refused={"below 0.125": 0.0625, "above 64": 128, "between": 3},
        )
        for mode in ("single", "ha")
    ),
    create(
        "capacity",
        "4 to 1,024 GB, cluster",
        WRONG_SIZE,
        given={"mode": "cluster"},
        accepted=by_value(CLUSTER_SIZES),
        refused={"below 4": 2, "above 1024": 2048, "between": 12},
    ),
    create(
        "capacity",
        "4 to 1,024 GB, proxy",
        WRONG_SIZE,
        given={"mode": "proxy"},
        accepted={"at 4": 4, "at 1024": 1024},
        refused={"below 4": 2, "above 1024": 2048},
    ),
    create(
        "capacity",
        "2 to 64 GB, single of 3.0",
        "DCS.4012",
        given=VERSION_3,
        accepted=by_value((2, 4, 8, 16, 32, 64)),
        refused={"below 2": 1, "above 64": 128},
    ),
    create(
        "capacity",
        "64 to 1,024 GB, proxy of 3.0",
        "DCS.4012",
        given={**VERSION_3, "spec_code": "dcs.cluster"},
        accepted=by_value((64, 128, 256, 512, 1024)),
        refused={"below 64": 32, "above 1024": 2048},
    ),
    create(
        "az_codes",
        "zones that exist",
        "DCS.4042",
        {"one": "a", "two": "ab", "twice the same": "aa"},
        {"another": "x", "one of two": "ax", "none": ""},
    ),
    create("az_codes", "available zones", "DCS.4054", refused={"sold out": "d"}),
    create("vpc_id", "required", "DCS.4013", refused={"none": None, "empty": ""}),
    create("subnet_id", "required", "DCS.4016", refused={"none": None, "empty": ""}),
    create(
        "security_group_id",
        "required for 3.0",
        "DCS.4014",
        given=VERSION_3,
        accepted={"one": "sg"},
        refused={"none": None, "empty": ""},
    ),
    create("window", "one of the windows", "DCS.4106", **WINDOWS),
    create("password", "8 to 64 characters", "DCS.4019", **length(8, 64, password)),
    create(
        "password",
        "three kinds of four",
        "DCS.4019",
        {
            "lower, upper, digits": "Abcdefg1",
            "lower, upper, special": "Abcdefg!",
            "lower, digits, special": "abcdef1!",
            "upper, digits, special": "ABCDEF1!",
            "all": "Abcdef1!",
        },
        {
            "lower, upper": "Abcdefgh",
            "lower, digits": "abcdefg1",
            "one kind": "abcdefgh",
            "a space": "Abc defg1",
        },
    ),
    create(
        "password", "required without no_password_access", "DCS.4845", refused={"none": None, "empty": ""}
    ),
    create(
        "password",
        "optional with no_password_access",
        "DCS.4845",
        given={"no_password_access": True},
        accepted={"none": None},
    ),
    *backups(create),
    create(
        "instance_backup_policy",
        "not for single",
        NO_BACKUPS,
        given={"mode": "single", "capacity": 1},
        refused={"auto": weekly()},
    ),
    create("tags", "keys of 1 to 36 characters", INVALID, **length(1, 36, tag_key)),
    create("tags", "values of at most 43 characters", INVALID, **length(0, 43, tag_value)),
    create(
        "tags", "a key once", INVALID, {"two keys": tags(2)}, {"one key twice": [*tag_key(3), *tag_key(3)]}
    ),
    create("port", "1 to 65535", INVALID, **numbers(1, 65535)),
    create(
        "port",
        "6379 for 3.0",
        INVALID,
        given={**VERSION_3, "capacity": 2},
        accepted={"6379": 6379},
        refused={"another": 6380},
    ),
    create(
        "rename_commands",
        "nine commands",
        INVALID,
        {name: {name: "renamed"} for name in RENAMABLE},
        {"another": {"get": "renamed"}},
    ),
    create(
        "rename_commands",
        "not for 3.0",
        INVALID,
        given={**VERSION_3, "capacity": 2},
        refused={"one": {"keys": "renamed"}},
    ),
]
"""Limits of the reference."""

CREATE_ELSEWHERE = [
    create(
        "password", "8 to 32 characters", "DCS.4019", site="older", section="SDK", **length(8, 32, password)
    ),
    create(
        "tags", "keys of 1 to 128 characters", INVALID, site="newer", section="SDK", **length(1, 128, tag_key)
    ),
    create(
        "tags",
        "values of at most 255 characters",
        INVALID,
        site="newer",
        section="SDK",
        **length(0, 255, tag_value),
    ),
    create(
        "window",
        "four hours",
        "DCS.4106",
        {"the default": ("22:00:00", "02:00:00"), "the last": ("18:00:00", "22:00:00")},
        {"one hour": ("22:00:00", "23:00:00")},
        site="newer",
        section="SDK",
    ),
]
"""Limits of sites that differ from the reference."""
