"""What is asked in each case of the table: through the SDK, and nothing else unless said so."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from huaweicloudsdkdcs.v2 import (
    BatchCreateOrDeleteTagsRequest,
    CreateInstanceRequest,
    CreateOrDeleteInstanceTags,
    DeleteSingleInstanceRequest,
    ListAvailableZonesRequest,
    ListBackgroundTaskRequest,
    ListFlavorsRequest,
    ListInstancesRequest,
    ListMaintenanceWindowsRequest,
    ListNumberOfInstancesInDifferentStatusRequest,
    ListStatisticsOfRunningInstancesRequest,
    ModifyInstanceBody,
    ResetInstancePasswordBody,
    ResetPasswordRequest,
    ResizeInstanceBody,
    ResizeInstanceRequest,
    ResourceTag,
    ShowInstanceRequest,
    ShowJobInfoRequest,
    ShowQuotaOfTenantRequest,
    UpdateInstanceRequest,
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
from world import HA_2, OPERATION, PROVISIONING, World, create, order

Case = Callable[["Worlds"], Any]


@dataclass
class Worlds:
    """The same instances on two sites: as the reference describes it, and as newer versions of the SDK do."""

    main: World
    newer: World
    _answers: dict[tuple[str, str], Any] = field(default_factory=dict)

    def ask(self, operation: str, case: str) -> Any:
        """The answer in one case. Asked once: some cases change what they ask about."""
        if (operation, case) not in self._answers:
            self._answers[operation, case] = CASES[operation][case](self)
        return self._answers[operation, case]


CASES: dict[str, dict[str, Case]] = {}
"""By operation and case."""


def case(operation: str, name: str) -> Callable[[Case], Case]:
    """Adds a case."""

    def add(ask: Case) -> Case:
        CASES.setdefault(operation, {})[name] = ask
        return ask

    return add


def described() -> Mapping[str, Mapping[str, str]]:
    """What every case is, in words."""
    return {
        operation: {name: inspect.getdoc(ask) or "" for name, ask in cases.items()}
        for operation, cases in CASES.items()
    }


def token_request(password: str, scope: AuthScope) -> KeystoneCreateUserTokenByPasswordRequest:
    """A request for a token in the account's user's name."""
    domain = PwdPasswordUserDomain(name=simulator.DOMAIN)
    user = PwdPasswordUser(name=simulator.USER, password=password, domain=domain)
    identity = PwdIdentity(methods=["password"], password=PwdPassword(user=user))
    body = KeystoneCreateUserTokenByPasswordRequestBody(auth=PwdAuth(identity=identity, scope=scope))
    return KeystoneCreateUserTokenByPasswordRequest(body=body)


def token(target: simulator.Simulator) -> str:
    """A token for the project."""
    scope = AuthScope(project=AuthScopeProject(id=target.project_id))
    request = token_request(simulator.PASSWORD, scope)
    return str(sdk.iam(target).keystone_create_user_token_by_password(request).x_subject_token)


def job_of(world: World, instance: str) -> str:
    """The job of an instance's latest task. The SDK drops it, so it is read off the wire."""
    path = f"/v2/{{project_id}}/instances/{world.ids[instance]}/tasks"
    return str(signing.send(world.target, "GET", path).json()["tasks"][0]["job_id"])


def _instances() -> None:
    """The cases that differ in nothing but the instance they are about."""
    for name in ("ha", "small", "old"):

        def listed(worlds: Worlds, name: str = name) -> Any:
            return worlds.main.client.list_instances(ListInstancesRequest(instance_id=worlds.main.ids[name]))

        listed.__doc__ = f"the instance `{name}`, by its id"
        case("ListInstances", name)(listed)
    for name in ("ha", "small", "old", "cluster"):

        def shown(worlds: Worlds, name: str = name) -> Any:
            return worlds.main.client.show_instance(ShowInstanceRequest(instance_id=worlds.main.ids[name]))

        shown.__doc__ = f"the instance `{name}`"
        case("ShowInstance", name)(shown)
    for name in ("resized", "replicated", "moved", "renamed"):

        def tasks(worlds: Worlds, name: str = name) -> Any:
            request = ListBackgroundTaskRequest(instance_id=worlds.main.ids[name])
            return worlds.main.client.list_background_task(request)

        tasks.__doc__ = f"an instance that was {name}"
        case("ListBackgroundTask", name)(tasks)


_instances()


@case("ShowInstance", "newer")
def _(worlds: Worlds) -> Any:
    """the instance `ha` on a newer site"""
    return worlds.newer.client.show_instance(ShowInstanceRequest(instance_id=worlds.newer.ids["ha"]))


@case("CreateInstance", "one")
def _(worlds: Worlds) -> Any:
    """one ha instance"""
    return worlds.main.client.create_instance(CreateInstanceRequest(body=order(worlds.main.target)))


@case("DeleteSingleInstance", "running")
def _(worlds: Worlds) -> Any:
    """an instance that runs"""
    world = worlds.main
    instance_id = create(world.client, order(world.target))
    world.target.step(PROVISIONING)
    return world.client.delete_single_instance(DeleteSingleInstanceRequest(instance_id=instance_id))


@case("UpdateInstance", "name")
def _(worlds: Worlds) -> Any:
    """another name"""
    request = UpdateInstanceRequest(
        instance_id=worlds.main.ids["renamed"], body=ModifyInstanceBody(name="renamed")
    )
    return worlds.main.client.update_instance(request)


@case("ResizeInstance", "larger")
def _(worlds: Worlds) -> Any:
    """twice the capacity"""
    body = ResizeInstanceBody(spec_code=HA_2, new_capacity=2)
    answer = worlds.main.client.resize_instance(
        ResizeInstanceRequest(instance_id=worlds.main.ids["moved"], body=body)
    )
    worlds.main.target.step(OPERATION)
    return answer


def _reset(world: World) -> Any:
    body = ResetInstancePasswordBody(new_password="Bb456789")
    answer = world.client.reset_password(ResetPasswordRequest(instance_id=world.ids["ha"], body=body))
    world.target.step(OPERATION)
    return answer


@case("ResetPassword", "main")
def _(worlds: Worlds) -> Any:
    """a new password"""
    return _reset(worlds.main)


@case("ResetPassword", "newer")
def _(worlds: Worlds) -> Any:
    """a new password on a newer site"""
    return _reset(worlds.newer)


@case("ResetPassword", "locked")
def _(worlds: Worlds) -> Any:
    """an instance that wrong passwords have locked, on a newer site"""
    world = worlds.newer
    instance_id = create(world.client, order(world.target))
    world.target.step(PROVISIONING)
    world.target.alter(instance_id, locked=True)
    body = ResetInstancePasswordBody(new_password="Bb456789")
    return world.client.reset_password(ResetPasswordRequest(instance_id=instance_id, body=body))


@case("BatchCreateOrDeleteTags", "create")
def _(worlds: Worlds) -> Any:
    """one more tag"""
    body = CreateOrDeleteInstanceTags(action="create", tags=[ResourceTag(key="added", value="later")])
    request = BatchCreateOrDeleteTagsRequest(instance_id=worlds.main.ids["small"], body=body)
    return worlds.main.client.batch_create_or_delete_tags(request)


@case("BatchCreateOrDeleteTags", "delete")
def _(worlds: Worlds) -> Any:
    """a tag less"""
    body = CreateOrDeleteInstanceTags(action="delete", tags=[ResourceTag(key="added")])
    request = BatchCreateOrDeleteTagsRequest(instance_id=worlds.main.ids["small"], body=body)
    return worlds.main.client.batch_create_or_delete_tags(request)


@case("ListNumberOfInstancesInDifferentStatus", "all")
def _(worlds: Worlds) -> Any:
    """failed creations included"""
    request = ListNumberOfInstancesInDifferentStatusRequest(include_failure="true")
    return worlds.main.client.list_number_of_instances_in_different_status(request)


@case("ListStatisticsOfRunningInstances", "all")
def _(worlds: Worlds) -> Any:
    """every instance that runs"""
    request = ListStatisticsOfRunningInstancesRequest()
    return worlds.main.client.list_statistics_of_running_instances(request)


@case("ShowJobInfo", "done")
def _(worlds: Worlds) -> Any:
    """the job of a resize, on a newer site, whose tasks name their jobs"""
    job_id = job_of(worlds.newer, "resized")
    return worlds.newer.client.show_job_info(ShowJobInfoRequest(job_id=job_id))


@case("ShowJobInfo", "failed")
def _(worlds: Worlds) -> Any:
    """the job of a creation that failed, on a newer site"""
    world = worlds.newer
    world.target.control("POST", "/fail-next-creations", {"count": 1})
    world.ids["failed"] = create(world.client, order(world.target, name="failed"))
    world.target.step(PROVISIONING)
    return world.client.show_job_info(ShowJobInfoRequest(job_id=job_of(world, "failed")))


@case("ListFlavors", "all")
def _(worlds: Worlds) -> Any:
    """everything"""
    return worlds.main.client.list_flavors(ListFlavorsRequest())


@case("ListMaintenanceWindows", "all")
def _(worlds: Worlds) -> Any:
    """everything"""
    return worlds.main.client.list_maintenance_windows(ListMaintenanceWindowsRequest())


@case("ShowQuotaOfTenant", "all")
def _(worlds: Worlds) -> Any:
    """everything"""
    return worlds.main.client.show_quota_of_tenant(ShowQuotaOfTenantRequest())


@case("ListAvailableZones", "all")
def _(worlds: Worlds) -> Any:
    """everything"""
    return worlds.main.client.list_available_zones(ListAvailableZonesRequest())


@case("KeystoneListProjects", "all")
def _(worlds: Worlds) -> Any:
    """everything"""
    return sdk.iam(worlds.main.target).keystone_list_projects(KeystoneListProjectsRequest())


@case("KeystoneCreateUserTokenByPassword", "project")
def _(worlds: Worlds) -> Any:
    """a token for a project"""
    target = worlds.main.target
    request = token_request(simulator.PASSWORD, AuthScope(project=AuthScopeProject(name=target.region)))
    return sdk.iam(target).keystone_create_user_token_by_password(request)


@case("KeystoneCreateUserTokenByPassword", "domain")
def _(worlds: Worlds) -> Any:
    """a token for the whole account"""
    request = token_request(simulator.PASSWORD, AuthScope(domain=AuthScopeDomain(name=simulator.DOMAIN)))
    return sdk.iam(worlds.main.target).keystone_create_user_token_by_password(request)
