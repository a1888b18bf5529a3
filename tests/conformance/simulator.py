"""A simulator process and its control API."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
"""Repository root."""
BINARY = Path(os.environ.get("DCS_OPERATOR_BINARY", ROOT / "target" / "debug" / "dcs-operator"))
"""Binary under test."""
DEADLINE = 30.0
"""Timeout in seconds for a start, a request or a stop."""

ACCESS_KEY = "CONFORMANCEACCESSKEY"
SECRET_KEY = "conformance-secret-key-of-40-characters!"
PROJECT_ID = "0123456789abcdef0123456789abcdef"
REGION = "test-region-7"
DOMAIN = "conformance-domain"
USER = "conformance-user"
PASSWORD = "Conformance-Password-1"


class DeadlineError(Exception):
    """The simulator did not start in time."""


@dataclass
class Response:
    """A raw HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Simulator:
    """A running simulator. Its clock is stopped; :meth:`step` advances it."""

    endpoint: str
    iam_endpoint: str
    project_id: str
    region: str
    process: subprocess.Popen[str]
    flags: Sequence[str] = field(default_factory=list)

    @classmethod
    def start(cls, *flags: str) -> Simulator:
        """Starts a simulator with the test account and ``flags``, and waits until it is ready."""
        account = {
            "--addr": "127.0.0.1:0",
            "--access-key": ACCESS_KEY,
            "--secret-key": SECRET_KEY,
            "--project-id": PROJECT_ID,
            "--region": REGION,
            "--domain-name": DOMAIN,
            "--username": USER,
            "--password": PASSWORD,
            "--speed": "0",
            "--quota-instances": "10000",
            "--quota-ram-gb": "1000000",
        }
        given = {flag for flag in flags if flag.startswith("--")}
        defaults = [word for name, value in account.items() if name not in given for word in (name, value)]
        process = subprocess.Popen(
            [str(BINARY), "simulate", *defaults, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        try:
            ready = json.loads(_first_line(process))
            return cls(
                endpoint=ready["endpoint"],
                iam_endpoint=ready["iamEndpoint"],
                project_id=ready["projectId"],
                region=ready["region"],
                process=process,
                flags=flags,
            )
        except BaseException:
            process.kill()
            process.wait()
            raise

    def stop(self) -> None:
        """Stops the process; kills it after the deadline."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout:
                self.process.stdout.close()

    @property
    def host(self) -> str:
        """Address and port for the ``Host`` header."""
        return urlsplit(self.endpoint).netloc

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Sends exactly these headers; only a missing ``Host`` and ``Content-Length`` are added."""
        connection = http.client.HTTPConnection(self.host, timeout=DEADLINE)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            sent = {"Host": self.host, **(headers or {})}
            if body:
                sent["Content-Length"] = str(len(body))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the control API, which must succeed."""
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.request(method, f"/_simulator{path}", {"Content-Type": "application/json"}, data)
        assert answer.status == 200, f"{method} /_simulator{path}: {answer.status} {answer.body!r}"
        return answer.json()

    def step(self, seconds: float) -> None:
        """Advances the simulated clock."""
        self.control("POST", "/clock/step", {"seconds": seconds})

    def put_status(self, instance_id: str, status: str) -> None:
        """Overrides the status of an instance."""
        self.control("POST", f"/instances/{instance_id}/status", {"status": status})

    def alter(self, instance_id: str, **fields: Any) -> None:
        """Changes fields of an instance without an API call."""
        self.control("PATCH", f"/instances/{instance_id}", fields)

    def remove(self, instance_id: str) -> None:
        """Removes an instance immediately."""
        self.control("DELETE", f"/instances/{instance_id}")

    def remove_all(self) -> None:
        """Removes all instances immediately."""
        for instance in self.control("GET", "/instances")["instances"]:
            self.remove(instance["id"])

    def add_key(self, access_key: str, secret_key: str, **more: Any) -> None:
        """Adds an access key; ``securityToken`` makes it temporary, ``expiresInSeconds`` limits it."""
        self.control("POST", "/keys", {"accessKey": access_key, "secretKey": secret_key, **more})

    def journal(self, operation: str) -> list[dict[str, Any]]:
        """The calls of one operation, oldest first."""
        return list(self.control("GET", f"/journal?operation={operation}")["entries"])


@contextmanager
def started(*flags: str) -> Iterator[Simulator]:
    """A simulator that is stopped at the end of the block."""
    target = Simulator.start(*flags)
    try:
        yield target
    finally:
        target.stop()


def _end_with_parent() -> None:
    """Makes the kernel kill this process when its parent exits."""
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def _first_line(process: subprocess.Popen[str]) -> str:
    """Reads the first output line. A thread reads the pipe, because reading has no timeout."""
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=DEADLINE)
    except queue.Empty:
        raise DeadlineError(f"the simulator printed nothing within {DEADLINE:.0f} s") from None
    if not line:
        raise DeadlineError(
            f"the simulator exited with {process.wait(DEADLINE)} before it was ready: see its error output"
        )
    return line
