"""Calls every operation through the SDK and checks that each documented field is set where possible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import cases_backups  # registers its cases
from cases import CASES, SampleSites
from fields import TABLE, model_named, paths, values
from report import Report

KINDS = {"str": str, "int": int, "bool": bool}
KNOWN_DIFFERENCES = {
    # The reference's example has a boolean, its table a string.
    "ListInstances": {"instances.no_password_access: bool for str"},
    # Observed in responses, but in neither the reference nor the SDK. All but the first are newer.
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
    # Observed in responses; the first as in the details of an instance.
    "ListFlavors": {"flavors.inquery_spec_code: unknown", "flavors.billing_factor: unknown"},
    # The reference's examples have `{}` for a missing text.
    "ListBackupRecords": {
        f"backup_record_response.{name}: dict for str" for name in ["period", "error_code", "remark"]
    },
    "ListRestoreRecords": {"restore_record_response.error_code: dict for str"},
    # The reference's example has a number, its table a string.
    "ListBackgroundTask": {"task_count: int for str"},
}
"""Known differences between the real service and the SDK's models."""
ALL = [(operation, case) for operation, cases in CASES.items() for case in cases]


def test_the_table_has_exactly_the_fields_of_the_sdk() -> None:
    """Detects fields that the SDK adds or removes."""
    for operation, answer in TABLE.items():
        stated = [name for names in answer.cases().values() for name in names]
        assert len(stated) == len(set(stated)), f"{operation}: a field is set by one case only"
        both = set(stated) & set(answer.impossible())
        assert not both, f"{operation}: set and impossible: {both}"
        assert set(stated) | set(answer.impossible()) == set(paths(answer.model)), operation
        assert set(answer.set_by) <= set(CASES[operation]), f"{operation}: unknown cases"


def test_every_operation_has_a_case() -> None:
    assert set(CASES) == set(TABLE)


@pytest.mark.parametrize(("operation", "case"), ALL, ids=["-".join(pair) for pair in ALL])
def test_the_case_sets_its_fields(sites: SampleSites, report: Report, operation: str, case: str) -> None:
    """The case sets every field that the table says it does."""
    answer = sites.ask(operation, case)
    report.asked(operation, case)
    missing = []
    for path in sorted(TABLE[operation].cases().get(case, ())):
        if values(answer, path):
            report.saw(operation, path)
        else:
            missing.append(path)
    assert not missing, f"not set: {missing}"


@pytest.mark.parametrize(("operation", "case"), ALL, ids=["-".join(pair) for pair in ALL])
def test_impossible_fields_are_not_set(sites: SampleSites, operation: str, case: str) -> None:
    """A set field disproves its reason in the table."""
    answer = sites.ask(operation, case)
    found = {path: values(answer, path) for path in TABLE[operation].impossible()}
    assert not {path: value for path, value in found.items() if value}


@pytest.mark.parametrize(("operation", "case"), ALL, ids=["-".join(pair) for pair in ALL])
def test_responses_match_the_models(sites: SampleSites, operation: str, case: str) -> None:
    """Every value has the declared type, and no field is unknown.

    The SDK converts values (even ``"FALSE"`` to true) and drops unknown fields, so this test compares the
    raw response.
    """
    answer = sites.ask(operation, case)
    found = set(differences(answer.to_json_object() or {}, type(answer), "")) - KNOWN_DIFFERENCES.get(
        operation, set()
    )
    assert not found


def differences(thing: Any, model: type, prefix: str) -> Iterator[str]:
    """The differences between JSON and an SDK model, each with its path."""
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


def test_every_known_difference_occurs(sites: SampleSites) -> None:
    """An entry that never occurs is obsolete."""
    for operation, known in KNOWN_DIFFERENCES.items():
        answers = [sites.ask(operation, case) for case in CASES[operation]]
        found = {one for answer in answers for one in differences(answer.to_json_object(), type(answer), "")}
        assert known <= found, operation
