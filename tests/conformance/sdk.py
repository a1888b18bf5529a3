"""SDK clients for a simulator, and helpers for SDK requests and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.utils import http_utils
from huaweicloudsdkdcs.v2 import DcsClient
from huaweicloudsdkiam.v3 import IamClient

import simulator
from simulator import Simulator


def config() -> HttpConfig:
    """HTTP settings with a deadline and without retries, which would hide failures."""
    settings = HttpConfig.get_default_config()
    settings.timeout = (simulator.DEADLINE, simulator.DEADLINE)
    settings.retry_times = 0
    return settings


def dcs(target: Simulator, credentials: BasicCredentials | None = None) -> DcsClient:
    """A DCS client, with the account's permanent key by default."""
    credentials = credentials or BasicCredentials(
        simulator.ACCESS_KEY, simulator.SECRET_KEY, target.project_id
    )
    builder = DcsClient.new_builder().with_http_config(config()).with_credentials(credentials)
    return builder.with_endpoint(target.endpoint).build()


def temporary(target: Simulator, access_key: str, secret_key: str, token: str | None) -> DcsClient:
    """A DCS client with temporary credentials."""
    credentials = BasicCredentials(access_key, secret_key, target.project_id)
    return dcs(target, credentials.with_security_token(token) if token else credentials)


def iam(target: Simulator) -> IamClient:
    """An IAM client."""
    credentials = GlobalCredentials(simulator.ACCESS_KEY, simulator.SECRET_KEY, "conformance")
    builder = IamClient.new_builder().with_http_config(config()).with_credentials(credentials)
    return builder.with_endpoint(target.iam_endpoint).build()


def refusal(call: Callable[[], Any]) -> ServiceResponseException:
    """Returns the error of ``call``, which must fail."""
    try:
        answer = call()
    except ServiceResponseException as refused:
        return refused
    raise AssertionError(f"accepted: {answer}")


def shape(model: type) -> Mapping[str, str]:
    """Attributes and types of an SDK model."""
    return model.openapi_types


def plain(body: Any) -> Any:
    """A body as the SDK serializes it."""
    return http_utils.sanitize_for_serialization(body)
