"""What a documented limit is, and how values at, inside and outside of it are made.

The limits themselves are in ``limits_create.py`` and ``limits_change.py``; ``test_limits.py`` tries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from huaweicloudsdkdcs.v2 import ResourceTag

from world import weekly

INVALID = frozenset({"DCS.4062", "DCS.4063", "DCS.4800"})
"""The reference has three codes that say "invalid parameter", and not which parameter gets which."""
NO_BACKUPS = frozenset({"DCS.4086", "DCS.4095"})


@dataclass(frozen=True)
class Limit:
    """A documented limit of one field."""

    operation: str
    field: str
    """Named by ``{field: value}`` in the request unless ``test_limits.py`` knows better."""
    rule: str
    """The limit in words."""
    section: str
    code: str | frozenset[str]
    """The code of the refusal, or several where the reference does not tell which."""
    accepted: Mapping[str, Any] = field(default_factory=dict)
    """By label, values within the limit: at it, and just inside."""
    refused: Mapping[str, Any] = field(default_factory=dict)
    """By label, values just outside."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What else the request says."""
    site: str = "main"
    """Whose limit it is."""

    def codes(self) -> frozenset[str]:
        """The codes that the refusal may have."""
        return frozenset({self.code}) if isinstance(self.code, str) else self.code

    def cases(self) -> dict[str, tuple[Any, bool]]:
        """By label, what is sent and whether it is accepted."""
        inside = {label: (value, True) for label, value in self.accepted.items()}
        return {**inside, **{label: (value, False) for label, value in self.refused.items()}}


def length(least: int, most: int, make: Any = lambda n: "n" * n) -> dict[str, dict[str, Any]]:
    """Texts at, inside and outside two lengths."""
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
    """Whole numbers at, inside and outside two bounds."""
    return length(least, most, int)


def password(n: int) -> str:
    """A password of so many characters that lacks nothing else."""
    return ("Aa1" + "x" * n)[:n]


def tags(count: int) -> Any:
    """So many tags."""
    return [ResourceTag(key=f"key{n}", value="v") for n in range(count)]


def tag_key(n: int) -> Any:
    """A tag with a key so long."""
    return [ResourceTag(key="k" * n, value="v")]


def tag_value(n: int) -> Any:
    """A tag with a value so long."""
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


def backups(operation: str, section: str) -> list[Limit]:
    """The limits of a backup policy, which two operations take."""
    return [
        Limit(
            operation,
            "instance_backup_policy",
            f"{name}: {rule}",
            section,
            code,
            {label: weekly(**changes) for label, changes in accepted.items()},
            {label: weekly(**changes) for label, changes in refused.items()},
        )
        for name, rule, code, accepted, refused in BACKUPS
    ]
