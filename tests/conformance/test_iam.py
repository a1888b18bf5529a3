"""IAM: projects and tokens through the SDK's IAM client, and the SDK's project lookup."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import SdkException
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkdcs.v2 import DcsClient, ListInstancesRequest
from huaweicloudsdkiam.v3 import (
    AuthScope,
    AuthScopeProject,
    IamClient,
    KeystoneListProjectsRequest,
)

import cases
import sdk
import signing
import simulator
from simulator import Simulator, started


@pytest.fixture(autouse=True)
def _forget_projects() -> Iterator[None]:
    """Clears the SDK's project cache, which is keyed by access key and region."""
    BasicCredentials._CACHE.clear()
    yield
    BasicCredentials._CACHE.clear()


def by_region(target: Simulator, region: str, **changes: str) -> DcsClient:
    """A client with a region, which looks up the project."""
    keys = {"access_key": simulator.ACCESS_KEY, "secret_key": simulator.SECRET_KEY, **changes}
    credentials = BasicCredentials(keys["access_key"], keys["secret_key"]).with_iam_endpoint(
        target.iam_endpoint
    )
    builder = DcsClient.new_builder().with_http_config(sdk.config()).with_credentials(credentials)
    return builder.with_region(Region(region, target.endpoint)).build()


def test_the_sdk_finds_the_project_of_a_region(main: Simulator) -> None:
    client = by_region(main, main.region)
    assert client.get_credentials().project_id == main.project_id
    assert client.list_instances(ListInstancesRequest()).instances is not None
    asked = main.journal("KeystoneListProjects")[-1]
    assert (asked["status"], asked["query"]) == (200, f"name={main.region}")


def test_a_region_without_a_project(main: Simulator) -> None:
    with pytest.raises(SdkException, match="Failed to get project id of region 'elsewhere-1'"):
        by_region(main, "elsewhere-1")


def test_a_region_with_two_projects() -> None:
    """The SDK rejects an ambiguous region."""
    name = simulator.REGION
    several = pytest.raises(SdkException, match="Multiple project ids found")
    with started("--other-project", f"{name}={'e' * 32}") as target, several:
        by_region(target, name)


@pytest.mark.parametrize("changes", [{"access_key": "UNKNOWN"}, {"secret_key": "wrong"}])
def test_projects_need_valid_credentials(main: Simulator, changes: dict[str, str]) -> None:
    with pytest.raises(SdkException, match="APIGW.0301"):
        by_region(main, main.region, **changes)


def test_projects_by_name() -> None:
    """A name filters the list; without one it contains all projects of the account."""
    with started("--other-project", f"other-region-1={'d' * 32}") as target:
        client = sdk.iam(target)
        everything = client.keystone_list_projects(KeystoneListProjectsRequest()).projects
        assert {project.name for project in everything} == {target.region, "other-region-1"}
        (found,) = client.keystone_list_projects(KeystoneListProjectsRequest(name=target.region)).projects
        assert (found.id, found.enabled, found.is_domain) == (target.project_id, True, False)
        assert client.keystone_list_projects(KeystoneListProjectsRequest(name="nowhere")).projects == []


def test_projects_with_temporary_credentials(main: Simulator) -> None:
    main.add_key("TEMPORARYIAM", "secret", securityToken="token")
    credentials = GlobalCredentials("TEMPORARYIAM", "secret", "conformance").with_security_token("token")
    builder = IamClient.new_builder().with_http_config(sdk.config()).with_credentials(credentials)
    client = builder.with_endpoint(main.iam_endpoint).build()
    assert client.keystone_list_projects(KeystoneListProjectsRequest()).projects


def test_projects_with_a_token(main: Simulator) -> None:
    answer = main.request("GET", "/v3/projects", {"X-Auth-Token": cases.token(main)})
    assert answer.status == 200
    assert [project["id"] for project in answer.json()["projects"]] == [main.project_id]


def test_a_token_lives_a_day(main: Simulator) -> None:
    scope = AuthScope(project=AuthScopeProject(id=main.project_id))
    request = cases.token_request(simulator.PASSWORD, scope)
    answer = sdk.iam(main).keystone_create_user_token_by_password(request)
    written = "%Y-%m-%dT%H:%M:%S.%fZ"
    issued = datetime.strptime(answer.token.issued_at, written)
    assert datetime.strptime(answer.token.expires_at, written) - issued == timedelta(days=1)
    assert abs(issued - signing.now().replace(tzinfo=None)) < timedelta(minutes=1)
    assert answer.token.project.id == main.project_id
    assert answer.token.user.name == simulator.USER
    assert answer.status_code == 201


def test_a_wrong_password(main: Simulator) -> None:
    request = cases.token_request("wrong", AuthScope(project=AuthScopeProject(id=main.project_id)))
    error = sdk.refusal(lambda: sdk.iam(main).keystone_create_user_token_by_password(request))
    assert error.status_code == 401


def test_a_token_for_a_project_of_another_account(main: Simulator) -> None:
    request = cases.token_request(simulator.PASSWORD, AuthScope(project=AuthScopeProject(id="f" * 32)))
    error = sdk.refusal(lambda: sdk.iam(main).keystone_create_user_token_by_password(request))
    assert error.status_code in (400, 401, 403)


def test_tokens_need_no_signature(main: Simulator) -> None:
    """The SDK signs this request too, but callers without a key cannot."""
    body = sdk.plain(cases.token_request(simulator.PASSWORD, AuthScope()).body)
    data = signing.json.dumps(body).encode()
    answer = main.request("POST", "/v3/auth/tokens", {"Content-Type": "application/json"}, data)
    assert answer.status == 201
    assert answer.headers["x-subject-token"]


def test_iam_errors_have_their_own_format(main: Simulator) -> None:
    """IAM errors are nested objects with the HTTP status as a number."""
    answer = main.request("GET", "/v3/projects", {"X-Auth-Token": "nonsense"})
    assert answer.status == 401
    error = answer.json()["error"]
    assert error["code"] == 401
    assert error["message"] and error["title"]
