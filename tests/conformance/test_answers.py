"""Every operation, called through the SDK: each documented field says something where it can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from cases import CASES, Worlds
from fields import TABLE, model_named, paths, values
from report import Report

KINDS = {"str": str, "int": int, "bool": bool}
EXCUSED = {
    # The reference's example has a boolean where its table has a text.
    "ListInstances": {"instances.no_password_access: bool for str"},
    # Seen on the wire, in neither the reference's tables nor the SDK's models. All but the first are newer.
    "ShowInstance": {
        f"{name}: unknown"
        for name in [
            "task",
            "free",
            "is_free",
            "libos",
            "active_active",
            "crr_role",
            "proxy_links",
            "publicip_info",
        ]
    },
    # Seen on the wire, the first as in the detail of an instance.
    "ListFlavors": {"flavors.inquery_spec_code: unknown", "flavors.billing_factor: unknown"},
    # The reference's example has a number where its table has a text.
    "ListBackgroundTask": {"task_count: int for str"},
    # The reference's example has an empty object for "no unit".
    "ShowQuotaOfTenant": {"quotas.resources.unit: dict for str"},
}
"""Where the wire differs from the SDK's models, by what is known of the service itself."""
ALL = [(operation, case) for operation, cases in CASES.items() for case in cases]


def test_the_table_knows_every_field_of_the_sdk_and_no_other() -> None:
    """A field that the SDK gains, loses, or that was forgotten shows here."""
    for operation, answer in TABLE.items():
        stated = [name for names in answer.cases().values() for name in names]
        assert len(stated) == len(set(stated)), f"{operation}: a field is set by one case only"
        both = set(stated) & set(answer.impossible())
        assert not both, f"{operation}: set and impossible: {both}"
        assert set(stated) | set(answer.impossible()) == set(paths(answer.model)), operation
        assert set(answer.set_by) <= set(CASES[operation]), f"{operation}: cases that nobody asks"


def test_every_operation_has_a_case() -> None:
    assert set(CASES) == set(TABLE)


@pytest.mark.parametrize(("operation", "case"), ALL, ids=["-".join(pair) for pair in ALL])
def test_the_case_sets_its_fields(worlds: Worlds, report: Report, operation: str, case: str) -> None:
    """The case sets every field that the table says it does."""
    answer = worlds.ask(operation, case)
    report.asked(operation, case)
    missing = []
    for path in sorted(TABLE[operation].cases().get(case, ())):
        if values(answer, path):
            report.saw(operation, path)
        else:
            missing.append(path)
    assert not missing, f"not set: {missing}"


@pytest.mark.parametrize(("operation", "case"), ALL, ids=["-".join(pair) for pair in ALL])
def test_what_cannot_be_set_is_not(worlds: Worlds, operation: str, case: str) -> None:
    """A reason why a field is null would be wrong if it were not: then the table has to change."""
    answer = worlds.ask(operation, case)
    found = {path: values(answer, path) for path in TABLE[operation].impossible()}
    assert not {path: value for path, value in found.items() if value}


@pytest.mark.parametrize(("operation", "case"), ALL, ids=["-".join(pair) for pair in ALL])
def test_the_wire_is_as_the_models_say(worlds: Worlds, operation: str, case: str) -> None:
    """Every value is of the declared kind, and no field is made up.

    The SDK converts what it reads (even ``"FALSE"`` to true) and drops what it does not know, so this looks
    at the bytes.
    """
    answer = worlds.ask(operation, case)
    found = set(differences(answer.to_json_object() or {}, type(answer), "")) - EXCUSED.get(operation, set())
    assert not found


def differences(thing: Any, model: type, prefix: str) -> Iterator[str]:
    """The paths at which JSON differs from a model of the SDK, each with how."""
    names = {wire: name for name, wire in model.attribute_map.items()}
    for wire, value in thing.items():
        path = prefix + wire
        if wire not in names:
            yield f"{path}: unknown"
            continue
        kind = model.openapi_types[names[wire]]
        inner = model_named(re.sub(r"^list\[(.*)\]$", r"\1", kind))
        items = value if isinstance(value, list) else [value]
        if isinstance(value, list) != kind.startswith("list[") and value is not None:
            yield f"{path}: {type(value).__name__} for {kind}"
        elif inner is not None:
            for item in items:
                if item is not None:
                    yield from differences(item, inner, f"{path}.")
        else:
            plain = KINDS[re.sub(r"^list\[(.*)\]$", r"\1", kind)]
            for item in items:
                if item is not None and type(item) is not plain:
                    yield f"{path}: {type(item).__name__} for {kind}"


def test_what_is_excused_is_so(worlds: Worlds) -> None:
    """An excuse that nobody needs is out of date."""
    for operation, excused in EXCUSED.items():
        answers = [worlds.ask(operation, case) for case in CASES[operation]]
        found = {one for answer in answers for one in differences(answer.to_json_object(), type(answer), "")}
        assert excused <= found, operation
