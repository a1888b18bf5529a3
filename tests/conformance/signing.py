"""Request signing for requests that the SDK never sends.

An implementation independent of the SDK and the simulator, which can also omit headers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import simulator
from simulator import Response, Simulator

DATE = "x-sdk-date"
Query = Sequence[tuple[str, str]]


def now() -> datetime:
    """The wall clock, which signatures use."""
    return datetime.now(timezone.utc)


def stamp(time: datetime) -> str:
    """Formats a time for ``X-Sdk-Date``."""
    return time.strftime("%Y%m%dT%H%M%SZ")


def encode(text: str) -> str:
    """Percent-encodes all but unreserved characters."""
    return quote(text, safe="~")


def canonical_query(query: Query) -> str:
    """The query, sorted by name and value."""
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(query))


def authorization(
    method: str,
    path: str,
    query: Query,
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key: str = simulator.ACCESS_KEY,
    secret_key: str = simulator.SECRET_KEY,
    signed: Sequence[str] | None = None,
) -> str:
    """The ``Authorization`` of a request, over the headers in ``signed`` (default: all)."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    names = sorted(lower if signed is None else signed)
    uri = "/".join(encode(segment) for segment in path.split("/"))
    canonical = "\n".join(
        [
            method,
            uri if uri.endswith("/") else uri + "/",
            canonical_query(query),
            "".join(f"{name}:{lower.get(name, '')}\n" for name in names),
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    text = "\n".join(["SDK-HMAC-SHA256", lower.get(DATE, ""), hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"


def send(
    target: Simulator,
    method: str,
    path: str,
    *,
    query: Query = (),
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Sends a signed raw request. Replaces ``{project_id}`` in the path."""
    path = path.replace("{project_id}", target.project_id)
    data = b"" if body is None else json.dumps(body).encode()
    sent = {"Host": target.host, "X-Sdk-Date": stamp(now()), **(headers or {})}
    if data:
        sent["Content-Type"] = "application/json"
    sent["Authorization"] = authorization(method, path, query, sent, data)
    encoded = canonical_query(query)
    return target.request(method, path + (f"?{encoded}" if encoded else ""), sent, data)
