"""Authentication: every kind of invalid credentials is rejected with the documented error."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any, Callable

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdkdcs.v2 import DcsClient, ListInstancesRequest, ShowInstanceRequest

import cases
import sdk
import signing
import simulator
from instances import PROVISIONING, create, order
from simulator import Response, Simulator, started

GATEWAY = "APIGW.0301"
"""Code of the gateway for an invalid signature."""
LIST = "/v2/{project_id}/instances"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
NUMBERS = itertools.count()


def list_instances(client: DcsClient) -> Any:
    """The simplest call."""
    return client.list_instances(ListInstancesRequest())


def raw(
    target: Simulator,
    *,
    tamper: Callable[[dict[str, Any]], None] | None = None,
    signed: list | None = None,
    age: timedelta = timedelta(0),
    method: str = "GET",
    body: bytes = b"",
    query: signing.Query = (("limit", "10"),),
    **headers: str,
) -> Response:
    """Sends a signed request, changed by ``tamper`` after signing."""
    path = LIST.replace("{project_id}", target.project_id)
    sent = {"Host": target.host, "X-Sdk-Date": signing.stamp(signing.now() - age)}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    sent["Authorization"] = signing.authorization(method, path, query, sent, body, signed=signed)
    request: dict[str, Any] = {"method": method, "path": path, "query": query, "headers": sent, "body": body}
    if tamper:
        tamper(request)
    encoded = signing.canonical_query(request["query"])
    return target.request(
        request["method"],
        request["path"] + (f"?{encoded}" if encoded else ""),
        request["headers"],
        request["body"],
    )


def refused(answer: Response, status: int, code: str, words: str = "") -> None:
    """Checks an error response."""
    assert answer.status == status, answer.body
    body = answer.json()
    assert body["error_code"] == code, body
    assert words in body["error_msg"], body


def test_signing_matches_the_sdk(main: Simulator) -> None:
    """The signing implementation of the tests must match the SDK."""
    headers = {"Host": main.host, "X-Sdk-Date": "20260102T030405Z", "Content-Type": "application/json"}
    request = SdkRequest(
        "POST",
        "http",
        main.host,
        "/v2/p/instances",
        "",
        [("name", "a b/ü"), ("limit", "1")],
        dict(headers),
        b'{"a": 1}',
    )
    Signer(BasicCredentials(simulator.ACCESS_KEY, simulator.SECRET_KEY, "p")).sign(request)
    query = (("name", "a b/ü"), ("limit", "1"))
    ours = signing.authorization("POST", "/v2/p/instances", query, headers, b'{"a": 1}')
    assert ours == request.header_params["Authorization"]


def test_a_valid_signature_is_accepted(main: Simulator) -> None:
    answer = raw(main)
    assert answer.status == 200, answer.body


# --- the access key ---


def test_an_unknown_access_key(main: Simulator) -> None:
    client = sdk.dcs(main, BasicCredentials("UNKNOWN", simulator.SECRET_KEY, main.project_id))
    error = sdk.refusal(lambda: list_instances(client))
    assert (error.status_code, error.error_code) == (401, GATEWAY)
    assert error.request_id


def test_a_wrong_secret_key(main: Simulator) -> None:
    client = sdk.dcs(main, BasicCredentials(simulator.ACCESS_KEY, "wrong", main.project_id))
    error = sdk.refusal(lambda: list_instances(client))
    assert (error.status_code, error.error_code) == (401, GATEWAY)
    assert "verify aksk signature fail" in error.error_msg


# --- the signature ---


def _set(part: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda request: request.update({part: value})


def _header(name: str, value: str | None) -> Callable[[dict[str, Any]], None]:
    def change(request: dict[str, Any]) -> None:
        request["headers"].pop(name)
        if value is not None:
            request["headers"][name] = value

    return change


TAMPERED = {
    "body": _set("body", b'{"name":"c"}'),
    "body added": _set("body", b"{}"),
    "query": _set("query", (("limit", "11"),)),
    "query removed": _set("query", ()),
    "method": _set("method", "POST"),
    "path": lambda request: request.update(path=request["path"] + "/status"),
    "signed header": _header("X-Extra", "other"),
    "signed header removed": _header("X-Extra", None),
    "date": _header("X-Sdk-Date", signing.stamp(signing.now() + timedelta(seconds=90))),
    "host": _header("Host", "elsewhere.example.com"),
}


@pytest.mark.parametrize("part", TAMPERED)
def test_tampered(main: Simulator, part: str) -> None:
    """Changing any signed part invalidates the signature."""
    body = b'{"name":"b"}' if part == "body" else b""
    answer = raw(main, tamper=TAMPERED[part], body=body, X_Extra="as it was")
    refused(answer, 401, GATEWAY, "verify aksk signature fail")


def _signature(change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    def tamper(request: dict[str, Any]) -> None:
        request["headers"]["Authorization"] = change(request["headers"]["Authorization"])

    return tamper


BROKEN = {
    "another signature": lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
    "a shorter signature": lambda text: text[:-2],
    "no signature": lambda text: text.rpartition(", Signature=")[0],
    "no headers": lambda text: text.replace("SignedHeaders=", "Unsigned="),
    "no access key": lambda text: text.replace("Access=", "Credential="),
    "another algorithm": lambda text: text.replace("SDK-HMAC-SHA256", "SDK-HMAC-SM3"),
    "another scheme": lambda text: "Basic c2ltdWxhdG9y",
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_invalid_authorization_header(main: Simulator, how: str) -> None:
    refused(raw(main, tamper=_signature(BROKEN[how])), 401, GATEWAY)


def test_unsigned_headers_may_change(main: Simulator) -> None:
    """SignedHeaders may omit the host, as the vendor's Go client can do."""
    assert raw(main, signed=["x-sdk-date"]).status == 200
    assert (
        raw(main, signed=["x-sdk-date"], tamper=lambda request: request["headers"].update(X_New="1")).status
        == 200
    )


def test_the_date_must_be_signed(main: Simulator) -> None:
    refused(raw(main, signed=["host"]), 401, GATEWAY)


@pytest.mark.parametrize("minutes", [16, 60, -16, -60])
def test_a_date_too_far_away(main: Simulator, minutes: int) -> None:
    """The wall clock may differ by fifteen minutes in either direction."""
    refused(raw(main, age=timedelta(minutes=minutes)), 401, GATEWAY, "signature expired")


@pytest.mark.parametrize("minutes", [14, -14])
def test_a_date_near_enough(main: Simulator, minutes: int) -> None:
    assert raw(main, age=timedelta(minutes=minutes)).status == 200


@pytest.mark.parametrize("date", ["", "yesterday", "2026-01-02T03:04:05Z", "20260102T030405"])
def test_a_malformed_date(main: Simulator, date: str) -> None:
    refused(raw(main, X_Sdk_Date=date), 401, GATEWAY)


# --- neither signature nor token ---


def test_no_credentials(main: Simulator) -> None:
    path = LIST.replace("{project_id}", main.project_id)
    refused(main.request("GET", path), 401, "DCS.1003", "No token in the request.")


# --- the project ---


def test_another_project(main: Simulator) -> None:
    client = sdk.dcs(main, BasicCredentials(simulator.ACCESS_KEY, simulator.SECRET_KEY, "f" * 32))
    error = sdk.refusal(lambda: list_instances(client))
    assert (error.status_code, error.error_code) == (401, "DCS.1004")


# --- temporary credentials ---


def temporary_key(target: Simulator, **more: Any) -> str:
    """Adds a temporary access key with the security token ``token``."""
    name = f"TEMPORARY{next(NUMBERS)}"
    target.add_key(name, "temporary-secret", securityToken="token", **more)
    return name


def test_temporary_credentials(main: Simulator) -> None:
    """Temporary credentials can read and write."""
    client = sdk.temporary(main, temporary_key(main), "temporary-secret", "token")
    assert list_instances(client).instances is not None
    instance_id = create(client, order(main, name="temporary"))
    assert client.show_instance(ShowInstanceRequest(instance_id=instance_id)).name == "temporary"
    main.remove(instance_id)
    assert main.journal("CreateInstance")[-1]["caller"] != main.journal("ListInstances")[0]["caller"]


@pytest.mark.parametrize("token", [None, "other", "token2", "toke"])
def test_temporary_credentials_without_their_token(main: Simulator, token: str | None) -> None:
    client = sdk.temporary(main, temporary_key(main), "temporary-secret", token)
    error = sdk.refusal(lambda: list_instances(client))
    assert (error.status_code, error.error_code) == (401, GATEWAY)


def test_a_permanent_key_has_no_token(main: Simulator) -> None:
    client = sdk.temporary(main, simulator.ACCESS_KEY, simulator.SECRET_KEY, "token")
    error = sdk.refusal(lambda: list_instances(client))
    assert (error.status_code, error.error_code) == (401, GATEWAY)


def test_temporary_credentials_expire(main: Simulator) -> None:
    client = sdk.temporary(main, temporary_key(main, expiresInSeconds=0), "temporary-secret", "token")
    error = sdk.refusal(lambda: list_instances(client))
    assert (error.status_code, error.error_code) == (401, GATEWAY)
    assert "expired" in error.error_msg


def test_a_revoked_key(main: Simulator) -> None:
    name = temporary_key(main)
    client = sdk.temporary(main, name, "temporary-secret", "token")
    list_instances(client)
    main.control("DELETE", f"/keys/{name}")
    error = sdk.refusal(lambda: list_instances(client))
    assert (error.status_code, error.error_code) == (401, GATEWAY)


# --- tokens ---


def with_token(target: Simulator, token: str, path: str = LIST, **headers: str) -> Response:
    """Sends a request with a token instead of a signature."""
    sent = {"X-Auth-Token": token, "Content-Type": "application/json"}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    return target.request("GET", path.replace("{project_id}", target.project_id), sent)


def test_a_token(main: Simulator) -> None:
    """A token is valid for its project and for paths without a project."""
    token = cases.token(main)
    assert with_token(main, token).status == 200
    assert with_token(main, token, "/v2/available-zones").status == 200


def test_a_token_creates_and_deletes(clean: Simulator) -> None:
    token = cases.token(clean)
    body = sdk.plain(order(clean, name="by-token"))
    path = LIST.replace("{project_id}", clean.project_id)
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
    created = clean.request("POST", path, headers, json.dumps(body).encode())
    assert created.status == 200, created.body
    instance_id = created.json()["instances"][0]["instance_id"]
    clean.step(PROVISIONING)
    assert clean.request("DELETE", f"{path}/{instance_id}", headers).status == 204


def test_an_unknown_token(main: Simulator) -> None:
    refused(with_token(main, "MIIS" + "0" * 40), 401, "DCS.1001", "Invalid token.")


def test_an_empty_token(main: Simulator) -> None:
    answer = with_token(main, "")
    assert answer.status == 401
    assert answer.json()["error_code"] in ("DCS.1001", "DCS.1003")


def test_a_token_that_was_revoked() -> None:
    with started() as target:
        token = cases.token(target)
        assert with_token(target, token).status == 200
        target.control("DELETE", "/tokens")
        refused(with_token(target, token), 401, "DCS.1001", "Invalid token.")


def test_an_expired_token() -> None:
    with started("--token-seconds", "0") as target:
        refused(with_token(target, cases.token(target)), 401, "DCS.1002", "Token expired.")


def test_a_token_for_another_project(main: Simulator) -> None:
    refused(
        with_token(main, cases.token(main), LIST.replace("{project_id}", "f" * 32)),
        401,
        "DCS.1004",
        "Project ID does not match the token.",
    )


def test_a_token_for_no_project(main: Simulator) -> None:
    token = str(cases.CASES["KeystoneCreateUserTokenByPassword"]["domain"](only(main)).x_subject_token)
    refused(with_token(main, token), 401, "DCS.1004")


def only(target: Simulator) -> Any:
    """The part of the sample sites that an IAM case needs."""
    site = type("SampleSite", (), {"target": target})
    return type("SampleSites", (), {"main": site})


# --- the request ---


def test_an_unknown_path(main: Simulator) -> None:
    answer = signing.send(main, "GET", "/v2/{project_id}/nothing")
    assert answer.status == 404
    assert answer.json()["error_code"] in ("APIGW.0101", "DCS.4001")


def test_an_unknown_method(main: Simulator) -> None:
    answer = signing.send(main, "PATCH", LIST)
    assert answer.status in (404, 405)
    assert answer.json()["error_code"] in ("APIGW.0101", "DCS.5001")


def test_no_body(main: Simulator) -> None:
    refused(signing.send(main, "POST", LIST), 400, "DCS.4004")


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "{'a': 1}"])
def test_a_body_that_is_no_json_object(main: Simulator, body: str) -> None:
    answer = raw(main, method="POST", body=body.encode(), query=())
    refused(answer, 400, "DCS.4005")


def test_an_instance_that_does_not_exist(client: DcsClient) -> None:
    error = sdk.refusal(lambda: client.show_instance(ShowInstanceRequest(instance_id=UNKNOWN)))
    assert (error.status_code, error.error_code) == (404, "DCS.3022")


def test_a_malformed_instance_id(client: DcsClient) -> None:
    error = sdk.refusal(lambda: client.show_instance(ShowInstanceRequest(instance_id="not-an-id")))
    assert (error.status_code, error.error_code) in ((400, "DCS.4061"), (404, "DCS.3022"))
