"""The request of each case of the field table, sent through the SDK unless noted."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from huaweicloudsdkdcs.v2 import (
    CreateInstanceRequest,
    ListAvailableZonesRequest,
    ListBackgroundTaskRequest,
    ListFlavorsRequest,
    ListInstancesRequest,
    ListMaintenanceWindowsRequest,
    ListNumberOfInstancesInDifferentStatusRequest,
    ListStatisticsOfRunningInstancesRequest,
    ResourceTag,
    ShowJobInfoRequest,
    ShowQuotaOfTenantRequest,
)
from huaweicloudsdkiam.v3 import (
    AuthScope,
    AuthScopeDomain,
    AuthScopeProject,
    KeystoneCreateUserTokenByPasswordRequest,
    KeystoneCreateUserTokenByPasswordRequestBody,
    KeystoneListProjectsRequest,
    PwdAuth,
    PwdIdentity,
    PwdPassword,
    PwdPasswordUser,
    PwdPasswordUserDomain,
)

import sdk
import signing
import simulator
from instances import (
    HA_2,
    OPERATION,
    PROVISIONING,
    SampleSite,
    change_tags,
    create,
    delete,
    order,
    reset_password,
    resize,
    running,
    show,
    update,
)

Case = Callable[["SampleSites"], Any]


@dataclass
class SampleSites:
    """The sample instances on two sites: one follows the reference, one newer versions of the SDK."""

    main: SampleSite
    newer: SampleSite
    _answers: dict[tuple[str, str], Any] = field(default_factory=dict)

    def ask(self, operation: str, case: str) -> Any:
        """Returns the response of a case. Each case runs once, because some cases change their instance."""
        if (operation, case) not in self._answers:
            self._answers[operation, case] = CASES[operation][case](self)
        return self._answers[operation, case]


CASES: dict[str, dict[str, Case]] = {}
"""All cases, by operation and name."""


def case(operation: str, name: str) -> Callable[[Case], Case]:
    """Registers a case."""

    def add(ask: Case) -> Case:
        CASES.setdefault(operation, {})[name] = ask
        return ask

    return add


def described() -> Mapping[str, Mapping[str, str]]:
    """Descriptions of all cases."""
    return {
        operation: {name: inspect.getdoc(ask) or "" for name, ask in cases.items()}
        for operation, cases in CASES.items()
    }


def token_request(password: str, scope: AuthScope) -> KeystoneCreateUserTokenByPasswordRequest:
    """A token request of the account's user."""
    domain = PwdPasswordUserDomain(name=simulator.DOMAIN)
    user = PwdPasswordUser(name=simulator.USER, password=password, domain=domain)
    identity = PwdIdentity(methods=["password"], password=PwdPassword(user=user))
    body = KeystoneCreateUserTokenByPasswordRequestBody(auth=PwdAuth(identity=identity, scope=scope))
    return KeystoneCreateUserTokenByPasswordRequest(body=body)


def token(target: simulator.Simulator) -> str:
    """Requests a project token."""
    scope = AuthScope(project=AuthScopeProject(id=target.project_id))
    request = token_request(simulator.PASSWORD, scope)
    return str(sdk.iam(target).keystone_create_user_token_by_password(request).x_subject_token)


def job_of(site: SampleSite, instance: str) -> str:
    """The job of an instance's latest task, read from the raw response because the SDK drops the field."""
    path = f"/v2/{{project_id}}/instances/{site.ids[instance]}/tasks"
    return str(signing.send(site.target, "GET", path).json()["tasks"][0]["job_id"])


def _instances() -> None:
    """Adds the cases that differ only in the instance."""
    for name in ("ha", "small", "old"):

        def listed(sites: SampleSites, name: str = name) -> Any:
            return sites.main.client.list_instances(ListInstancesRequest(instance_id=sites.main.ids[name]))

        listed.__doc__ = f"the instance `{name}`, by its id"
        case("ListInstances", name)(listed)
    for name in ("ha", "small", "old", "cluster"):

        def shown(sites: SampleSites, name: str = name) -> Any:
            return show(sites.main.client, sites.main.ids[name])

        shown.__doc__ = f"the instance `{name}`"
        case("ShowInstance", name)(shown)
    for name in ("resized", "replicated", "moved", "renamed"):

        def tasks(sites: SampleSites, name: str = name) -> Any:
            request = ListBackgroundTaskRequest(instance_id=sites.main.ids[name])
            return sites.main.client.list_background_task(request)

        tasks.__doc__ = f"an instance that was {name}"
        case("ListBackgroundTask", name)(tasks)


def _unfiltered() -> None:
    """Adds the cases that read everything."""
    for operation, method, request in (
        ("ListFlavors", "list_flavors", ListFlavorsRequest()),
        ("ListMaintenanceWindows", "list_maintenance_windows", ListMaintenanceWindowsRequest()),
        ("ShowQuotaOfTenant", "show_quota_of_tenant", ShowQuotaOfTenantRequest()),
        ("ListAvailableZones", "list_available_zones", ListAvailableZonesRequest()),
    ):

        def read(sites: SampleSites, method: str = method, request: Any = request) -> Any:
            return getattr(sites.main.client, method)(request)

        read.__doc__ = "everything"
        case(operation, "all")(read)


_instances()
_unfiltered()


@case("ShowInstance", "newer")
def _(sites: SampleSites) -> Any:
    """the instance `ha` on a newer site"""
    return show(sites.newer.client, sites.newer.ids["ha"])


@case("CreateInstance", "one")
def _(sites: SampleSites) -> Any:
    """one ha instance"""
    return sites.main.client.create_instance(CreateInstanceRequest(body=order(sites.main.target)))


@case("DeleteSingleInstance", "running")
def _(sites: SampleSites) -> Any:
    """a running instance"""
    return delete(sites.main.client, running(sites.main.target))


@case("UpdateInstance", "name")
def _(sites: SampleSites) -> Any:
    """another name"""
    return update(sites.main.client, sites.main.ids["renamed"], name="renamed")


@case("ResizeInstance", "larger")
def _(sites: SampleSites) -> Any:
    """twice the capacity"""
    answer = resize(sites.main.client, sites.main.ids["moved"], HA_2, 2)
    sites.main.target.step(OPERATION)
    return answer


def _reset(site: SampleSite) -> Any:
    answer = reset_password(site.client, site.ids["ha"], new_password="Bb456789")
    site.target.step(OPERATION)
    return answer


@case("ResetPassword", "main")
def _(sites: SampleSites) -> Any:
    """a new password"""
    return _reset(sites.main)


@case("ResetPassword", "newer")
def _(sites: SampleSites) -> Any:
    """a new password on a newer site"""
    return _reset(sites.newer)


@case("ResetPassword", "locked")
def _(sites: SampleSites) -> Any:
    """an instance locked by wrong passwords, on a newer site"""
    site = sites.newer
    instance_id = running(site.target)
    site.target.alter(instance_id, locked=True)
    return reset_password(site.client, instance_id, new_password="Bb456789")


@case("BatchCreateOrDeleteTags", "create")
def _(sites: SampleSites) -> Any:
    """one more tag"""
    tag = ResourceTag(key="added", value="later")
    return change_tags(sites.main.client, sites.main.ids["small"], "create", tag)


@case("BatchCreateOrDeleteTags", "delete")
def _(sites: SampleSites) -> Any:
    """one tag less"""
    return change_tags(sites.main.client, sites.main.ids["small"], "delete", ResourceTag(key="added"))


@case("ListNumberOfInstancesInDifferentStatus", "all")
def _(sites: SampleSites) -> Any:
    """including failed creations"""
    request = ListNumberOfInstancesInDifferentStatusRequest(include_failure="true")
    return sites.main.client.list_number_of_instances_in_different_status(request)


@case("ListStatisticsOfRunningInstances", "all")
def _(sites: SampleSites) -> Any:
    """all running instances"""
    request = ListStatisticsOfRunningInstancesRequest()
    return sites.main.client.list_statistics_of_running_instances(request)


@case("ShowJobInfo", "done")
def _(sites: SampleSites) -> Any:
    """the job of a resize, on a newer site, where tasks have job ids"""
    job_id = job_of(sites.newer, "resized")
    return sites.newer.client.show_job_info(ShowJobInfoRequest(job_id=job_id))


@case("ShowJobInfo", "failed")
def _(sites: SampleSites) -> Any:
    """the job of a failed creation, on a newer site"""
    site = sites.newer
    site.target.control("POST", "/fail-next-creations", {"count": 1})
    site.ids["failed"] = create(site.client, order(site.target, name="failed"))
    site.target.step(PROVISIONING)
    return site.client.show_job_info(ShowJobInfoRequest(job_id=job_of(site, "failed")))


@case("KeystoneListProjects", "all")
def _(sites: SampleSites) -> Any:
    """everything"""
    return sdk.iam(sites.main.target).keystone_list_projects(KeystoneListProjectsRequest())


@case("KeystoneCreateUserTokenByPassword", "project")
def _(sites: SampleSites) -> Any:
    """a token for a project"""
    target = sites.main.target
    request = token_request(simulator.PASSWORD, AuthScope(project=AuthScopeProject(name=target.region)))
    return sdk.iam(target).keystone_create_user_token_by_password(request)


@case("KeystoneCreateUserTokenByPassword", "domain")
def _(sites: SampleSites) -> Any:
    """a token for the domain"""
    request = token_request(simulator.PASSWORD, AuthScope(domain=AuthScopeDomain(name=simulator.DOMAIN)))
    return sdk.iam(sites.main.target).keystone_create_user_token_by_password(request)
