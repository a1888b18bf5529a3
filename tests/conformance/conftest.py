"""Simulators for the tests, and the report on the table at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from huaweicloudsdkdcs.v2 import DcsClient

import sdk
import simulator
from cases import Worlds
from report import Report
from simulator import Simulator, started
from world import World

REPORT = Report()


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> None:
    """The SDK would ask a proxy of the environment even for this machine."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


@pytest.fixture(scope="session")
def main() -> Iterator[Simulator]:
    """The site of the reference. Tests share it: what they create they take away."""
    with started() as target:
        yield target


@pytest.fixture
def clean(main: Simulator) -> Iterator[Simulator]:
    """The same, without instances, and left without."""
    main.remove_all()
    yield main
    main.remove_all()


@pytest.fixture
def client(main: Simulator) -> DcsClient:
    """The SDK's client for the site of the reference."""
    return sdk.dcs(main)


@pytest.fixture(scope="session")
def newer() -> Iterator[Simulator]:
    """The site of the newer SDK."""
    with started("--site", "newer") as target:
        yield target


@pytest.fixture(scope="session")
def older() -> Iterator[Simulator]:
    """The site that never moved on."""
    with started("--site", "older") as target:
        yield target


@pytest.fixture(scope="session")
def quirky() -> Iterator[Simulator]:
    """The site with every quirk at once."""
    with started("--site", "quirky") as target:
        yield target


@pytest.fixture(scope="session")
def worlds() -> Iterator[Worlds]:
    """What the table is about, on simulators that nobody else uses."""
    with started() as first, started("--site", "newer") as second:
        yield Worlds(World(first), World(second))


@pytest.fixture(scope="session")
def report() -> Report:
    """Where tests note which field they have seen set."""
    return REPORT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes the table, and says in short what is in it."""
    if REPORT.is_empty():
        return
    path = simulator.ROOT / "target" / "conformance" / "table.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(REPORT.markdown(), encoding="utf-8")
    terminalreporter.section("fields of the answers")
    for line in REPORT.short():
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"written to {path.relative_to(simulator.ROOT)}")
