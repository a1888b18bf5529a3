"""Runs the SDK's quick start as a program against the simulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import simulator
from simulator import Simulator

PROGRAM = Path(__file__).with_name("quick_start.py")


def run(target: Simulator, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the quick start."""
    variables: dict[str, str] = {
        **os.environ,
        "HUAWEICLOUD_SDK_AK": simulator.ACCESS_KEY,
        "HUAWEICLOUD_SDK_SK": simulator.SECRET_KEY,
        "DCS_ENDPOINT": target.endpoint,
        "IAM_ENDPOINT": target.iam_endpoint,
        "DCS_REGION": target.region,
        "DCS_STEP_URL": f"{target.endpoint}/_simulator/clock/step",
        **environment,
    }
    return subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=variables,
        capture_output=True,
        text=True,
        timeout=2 * simulator.DEADLINE,
        check=False,
    )


def test_create_list_delete(clean: Simulator) -> None:
    done = run(clean)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(
        r'create: \{"instances": \[\{"instance_id": "\S+", "instance_name": "quick-start"\}\]\}', lines[0]
    )
    assert lines[1] == "list:   [('quick-start', 'CREATING')]"
    assert re.fullmatch(r"show:   RUNNING \d+\.\d+\.\d+\.\d+ 6379 redis-\S+", lines[2])
    assert lines[3] == "list:   [('quick-start', 'RUNNING')]"
    assert lines[4] in ("delete: [('quick-start', 'DELETING')]", "delete: []")
    assert lines[5] == "list:   []"


def test_an_error_is_printed_with_its_request_id(clean: Simulator) -> None:
    done = run(clean, DCS_ZONE="nowhere")
    assert done.returncode == 1
    assert re.match(r"400 [0-9a-f]{32} DCS\.4042 \S+", done.stdout), done.stdout + done.stderr
