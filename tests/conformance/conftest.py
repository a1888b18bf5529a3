"""Simulator fixtures, and the report at the end of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from huaweicloudsdkdcs.v2 import DcsClient

import sdk
import simulator
from cases import SampleSites
from instances import SampleSite
from report import Report
from simulator import Simulator, started

REPORT = Report()


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> None:
    """The SDK would use a proxy from the environment even for loopback."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


@pytest.fixture(scope="session")
def main() -> Iterator[Simulator]:
    """The site of the reference, which lists Redis 3.0, shared by the tests. Tests remove what they create."""
    with started("--redis-3") as target:
        yield target


@pytest.fixture
def clean(main: Simulator) -> Iterator[Simulator]:
    """The site of the reference, without instances before and after the test."""
    main.remove_all()
    yield main
    main.remove_all()


@pytest.fixture
def client(main: Simulator) -> DcsClient:
    """The SDK's client for the site of the reference."""
    return sdk.dcs(main)


def site_fixture(name: str) -> Any:
    """A session fixture with a simulator of the site ``name``."""

    @pytest.fixture(scope="session", name=name)
    def site() -> Iterator[Simulator]:
        with started("--site", name) as target:
            yield target

    return site


newer = site_fixture("newer")
older = site_fixture("older")
quirky = site_fixture("quirky")


@pytest.fixture(scope="session")
def sites() -> Iterator[SampleSites]:
    """Dedicated simulators with the sample instances of the field table."""
    with started("--redis-3") as first, started("--site", "newer", "--redis-3") as second:
        yield SampleSites(SampleSite(first), SampleSite(second))


@pytest.fixture(scope="session")
def report() -> Report:
    """Collects the observed fields and tested limits."""
    return REPORT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes the report and prints its summary."""
    if REPORT.is_empty():
        return
    path = simulator.ROOT / "target" / "conformance" / "table.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(REPORT.markdown(), encoding="utf-8")
    terminalreporter.section("fields of the answers")
    for line in REPORT.short():
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"written to {path.relative_to(simulator.ROOT)}")
