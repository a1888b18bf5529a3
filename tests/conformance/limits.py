"""The model of a documented limit and helpers for values at, inside and outside of it.

``limits_create.py`` and ``limits_change.py`` hold the limits; ``test_limits.py`` tests them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from huaweicloudsdkdcs.v2 import ResourceTag

from instances import weekly

INVALID = frozenset({"DCS.4062", "DCS.4063", "DCS.4800"})
"""The reference has three codes for an invalid parameter and does not assign them to parameters."""
WRONG_SIZE = frozenset({"DCS.4012", "DCS.4927"})
NO_BACKUPS = frozenset({"DCS.4086", "DCS.4095"})
HA_SIZES = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
"""Capacities of single and ha flavors in GB."""
CLUSTER_SIZES = (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Capacities of cluster flavors in GB."""
RENAMABLE = ("command", "flushall", "flushdb", "hgetall", "keys", "hscan", "scan", "sscan", "zscan")
"""Commands that can be renamed."""


@dataclass(frozen=True)
class Limit:
    """A documented limit of one field."""

    operation: str
    field: str
    """Sent as ``{field: value}`` unless ``test_limits.py`` builds the request differently."""
    rule: str
    """Description of the limit."""
    section: str
    code: str | frozenset[str]
    """Expected error code, or all candidates if the reference is ambiguous."""
    accepted: Mapping[str, Any] = field(default_factory=dict)
    """Values at or just inside the limit, by label."""
    refused: Mapping[str, Any] = field(default_factory=dict)
    """Values just outside the limit, by label."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the request."""
    site: str = "main"
    """Site that has the limit."""

    def codes(self) -> frozenset[str]:
        """The expected error codes."""
        return frozenset({self.code}) if isinstance(self.code, str) else self.code

    def cases(self) -> dict[str, tuple[Any, bool]]:
        """The values by label, each with whether it is accepted."""
        inside = {label: (value, True) for label, value in self.accepted.items()}
        return {**inside, **{label: (value, False) for label, value in self.refused.items()}}


def limits_of(operation: str, section: str) -> Callable[..., Limit]:
    """A constructor for limits of one operation, from ``section`` of the reference unless specified."""

    def limit(field: str, rule: str, code: str | frozenset[str], *args: Any, **kwargs: Any) -> Limit:
        return Limit(operation, field, rule, kwargs.pop("section", section), code, *args, **kwargs)

    return limit


def by_value(values: Iterable[Any]) -> dict[str, Any]:
    """Values labelled with their text."""
    return {str(value): value for value in values}


def length(least: int, most: int, make: Any = lambda n: "n" * n) -> dict[str, dict[str, Any]]:
    """Texts with lengths at, inside and outside the bounds."""
    inside = {
        f"at {least}": least,
        f"above {least}": least + 1,
        f"below {most}": most - 1,
        f"at {most}": most,
    }
    outside = {f"below {least}": least - 1, f"above {most}": most + 1}
    return {
        "accepted": {label: make(n) for label, n in inside.items()},
        "refused": {label: make(n) for label, n in outside.items() if n >= 0},
    }


def numbers(least: int, most: int) -> dict[str, dict[str, Any]]:
    """Integers at, inside and outside the bounds."""
    return length(least, most, int)


def password(n: int) -> str:
    """A valid password with ``n`` characters."""
    return ("Aa1" + "x" * n)[:n]


def tags(count: int) -> Any:
    """``count`` tags."""
    return [ResourceTag(key=f"key{n}", value="v") for n in range(count)]


def tag_key(n: int) -> Any:
    """A tag whose key has ``n`` characters."""
    return [ResourceTag(key="k" * n, value="v")]


def tag_value(n: int) -> Any:
    """A tag whose value has ``n`` characters."""
    return [ResourceTag(key="k", value="v" * n)]


NAME_SHAPES = {
    "accepted": {"every kind of character": "aZ-_9"},
    "refused": {
        "a hyphen first": "-abc",
        "an underscore first": "_abc",
        "a space": "ab cd",
        "a dot": "ab.cd",
        "an umlaut": "abcä",
    },
}
WINDOWS = {
    "accepted": {"an hour": ("18:00:00", "19:00:00"), "over midnight": ("23:00:00", "00:00:00")},
    "refused": {
        "half past": ("18:30:00", "19:30:00"),
        "two hours": ("18:00:00", "20:00:00"),
        "backwards": ("19:00:00", "18:00:00"),
        "no end": ("18:00:00", None),
        "no begin": (None, "19:00:00"),
        "other words": ("18", "19"),
    },
}
BACKUPS = [
    (
        "save_days",
        "1 to 7",
        "DCS.4072",
        {"at 1": {"save_days": 1}, "at 7": {"save_days": 7}},
        {"below 1": {"save_days": 0}, "above 7": {"save_days": 8}, "none": {"save_days": None}},
    ),
    (
        "backup_type",
        "auto or manual",
        "DCS.4073",
        {"auto": {}, "manual": {"backup_type": "manual"}},
        {"another": {"backup_type": "hourly"}},
    ),
    ("period_type", "weekly", "DCS.4074", {"weekly": {}}, {"another": {"period_type": "daily"}}),
    (
        "backup_at",
        "1 to 7",
        "DCS.4075",
        {"at 1": {"backup_at": [1]}, "at 7": {"backup_at": [7]}, "all": {"backup_at": [1, 2, 3, 4, 5, 6, 7]}},
        {"below 1": {"backup_at": [0]}, "above 7": {"backup_at": [8]}, "none": {"backup_at": []}},
    ),
    (
        "begin_at",
        "a whole hour",
        "DCS.4076",
        {"the first": {"begin_at": "00:00-01:00"}, "the last": {"begin_at": "23:00-00:00"}},
        {
            "half past": {"begin_at": "00:30-01:30"},
            "two hours": {"begin_at": "00:00-02:00"},
            "half an hour": {"begin_at": "00:00-00:30"},
            "no end": {"begin_at": "00:00"},
        },
    ),
]


def backups(limit: Callable[..., Limit]) -> list[Limit]:
    """The limits of a backup policy, for the operation of ``limit``."""
    return [
        limit(
            "instance_backup_policy",
            f"{name}: {rule}",
            code,
            {label: weekly(**changes) for label, changes in accepted.items()},
            {label: weekly(**changes) for label, changes in refused.items()},
        )
        for name, rule, code, accepted, refused in BACKUPS
    ]
