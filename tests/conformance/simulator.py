"""A simulator that runs: started, steered through ``/_simulator``, and stopped by its own handle."""

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
"""The repository."""
BINARY = Path(os.environ.get("DCS_OPERATOR_BINARY", ROOT / "target" / "debug" / "dcs-operator"))
"""What is tested."""
DEADLINE = 30.0
"""Seconds that any single thing may take: starting, answering, ending."""

ACCESS_KEY = "CONFORMANCEACCESSKEY"
SECRET_KEY = "conformance-secret-key-of-40-characters!"
PROJECT_ID = "0123456789abcdef0123456789abcdef"
REGION = "test-region-7"
DOMAIN = "conformance-domain"
USER = "conformance-user"
PASSWORD = "Conformance-Password-1"


class StuckError(Exception):
    """Something took longer than it may."""


@dataclass
class Response:
    """An answer as it came off the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass
class Simulator:
    """One running simulator. Its cloud's clock stands still unless :meth:`step` moves it."""

    endpoint: str
    iam_endpoint: str
    project_id: str
    region: str
    process: subprocess.Popen[str]
    flags: Sequence[str] = field(default_factory=list)

    @classmethod
    def start(cls, *flags: str) -> Simulator:
        """Starts one with ``flags`` besides the account, and returns when it is ready."""
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
        """Asks it to end, and makes it if it does not."""
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
        """Address and port, as the ``Host`` header has them."""
        return urlsplit(self.endpoint).netloc

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Sends exactly this and nothing more; only ``Host`` and ``Content-Length`` are added if missing."""
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
        """Asks the control API, which must agree."""
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.request(method, f"/_simulator{path}", {"Content-Type": "application/json"}, data)
        assert answer.status == 200, f"{method} /_simulator{path}: {answer.status} {answer.body!r}"
        return answer.json()

    def step(self, seconds: float) -> None:
        """Lets the cloud's time pass at once."""
        self.control("POST", "/clock/step", {"seconds": seconds})

    def put_status(self, instance_id: str, status: str) -> None:
        """Puts an instance into a status from outside."""
        self.control("POST", f"/instances/{instance_id}/status", {"status": status})

    def alter(self, instance_id: str, **fields: Any) -> None:
        """Changes fields of an instance behind the service's back."""
        self.control("PATCH", f"/instances/{instance_id}", fields)

    def remove(self, instance_id: str) -> None:
        """Makes an instance vanish."""
        self.control("DELETE", f"/instances/{instance_id}")

    def remove_all(self) -> None:
        """Makes every instance vanish."""
        for instance in self.control("GET", "/instances")["instances"]:
            self.remove(instance["id"])

    def add_key(self, access_key: str, secret_key: str, **more: Any) -> None:
        """Adds an access key, temporary with ``securityToken``, short-lived with ``expiresInSeconds``."""
        self.control("POST", "/keys", {"accessKey": access_key, "secretKey": secret_key, **more})

    def journal(self, operation: str) -> list[dict[str, Any]]:
        """The calls of one operation, oldest first."""
        return list(self.control("GET", f"/journal?operation={operation}")["entries"])


@contextmanager
def started(*flags: str) -> Iterator[Simulator]:
    """A simulator that is stopped afterwards."""
    target = Simulator.start(*flags)
    try:
        yield target
    finally:
        target.stop()


def _end_with_parent() -> None:
    """Has the kernel end this process when its parent dies, however that dies."""
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def _first_line(process: subprocess.Popen[str]) -> str:
    """The first line of its output, waited for in a thread of its own: reading a pipe knows no deadline."""
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=DEADLINE)
    except queue.Empty:
        raise StuckError(f"the simulator said nothing for {DEADLINE:.0f} s") from None
    if not line:
        raise StuckError(
            f"the simulator ended with {process.wait(DEADLINE)} before it was ready: see its error output"
        )
    return line
