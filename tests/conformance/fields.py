"""The field table: for every response field, the case that sets it or the reason why no case can.

The fields are those of the SDK's models, which are newer than the reference; where names differ
(``backend_addrs``, ``inquery_spec_code``) the SDK is right, because it parses real responses.
``test_answers.py`` compares the table with the models: a missing or additional field fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import huaweicloudsdkdcs.v2 as dcs_models
import huaweicloudsdkiam.v3 as iam_models

EACH_COUNT = (
    "paying_count freezing_count migrating_count flushing_count upgrading_count restoring_count "
    "extending_count "
    "creating_count running_count error_count frozen_count createfailed_count restarting_count"
)
NO_PUBLIC_IP = "public addresses are unsupported: documented as null"
NO_ORDER = "only prepaid instances have an order, and only pay-per-use is supported"
NO_USER = "names a Memcached user; Redis without ACL accounts has none, and the reference requires it empty"
NO_UPGRADE = "only set during a service upgrade, which no operation here starts"
NO_HISTORY = "only set once a domain name was rebuilt; no operation here does that"
NO_BANDWIDTH = "only set while bandwidth is expanded; no operation here does that"
NO_TASK = "belongs to a kind of task that no operation here starts"


def under(prefix: str, names: str) -> str:
    """``names``, each below ``prefix``."""
    return " ".join(f"{prefix}.{name}" for name in names.split())


@dataclass(frozen=True)
class Answer:
    """The response of an operation: the fields that each case sets, and those that no case can set."""

    section: str
    """Section of the reference; empty if only the SDK describes the operation."""
    model: type
    """Response class of the SDK."""
    set_by: Mapping[str, str] = field(default_factory=dict)
    """Names of the set fields, by case (see ``cases.py``)."""
    never: Mapping[str, str] = field(default_factory=dict)
    """Names of the fields that no case can set, by reason."""

    def cases(self) -> dict[str, set[str]]:
        """The fields by case."""
        return {case: set(names.split()) for case, names in self.set_by.items()}

    def impossible(self) -> dict[str, str]:
        """The reason by field."""
        return {name: reason for reason, names in self.never.items() for name in names.split()}


def paths(model: type) -> list[str]:
    """All attributes of a model and its nested models as dotted paths, including list items."""
    return list(_paths(model, ""))


def _paths(model: type, prefix: str) -> Iterator[str]:
    for name, kind in model.openapi_types.items():
        yield prefix + name
        inner = model_named(re.sub(r"^list\[(.*)\]$", r"\1", kind))
        if inner is not None:
            yield from _paths(inner, f"{prefix}{name}.")


def model_named(name: str) -> type | None:
    """The SDK model of this name, or ``None``."""
    model = getattr(dcs_models, name, None) or getattr(iam_models, name, None)
    return model if hasattr(model, "openapi_types") else None


def values(answer: Any, path: str) -> list[Any]:
    """The non-null values at a path; several if the path contains a list."""
    found = [answer]
    for name in path.split("."):
        below = [getattr(one, name, None) for one in found]
        found = [item for value in below for item in (value if isinstance(value, list) else [value])]
        if any(isinstance(value, list) and not value for value in below):
            found.append([])
        found = [value for value in found if value is not None]
    return found


TABLE: Mapping[str, Answer] = {
    "CreateInstance": Answer(
        section="4.1.1",
        model=dcs_models.CreateInstanceResponse,
        set_by={"one": "instances instances.instance_id instances.instance_name"},
        never={NO_ORDER: "order_id"},
    ),
    "ListInstances": Answer(
        section="4.1.2",
        model=dcs_models.ListInstancesResponse,
        set_by={
            "ha": "instance_num instances "
            + under(
                "instances",
                "instance_id name description status sub_status engine engine_version spec_code "
                "cpu_type capacity "
                "max_memory used_memory ip port domain_name readonly_domain_name vpc_id vpc_name "
                "subnet_id az_codes "
                "maintain_begin maintain_end created_at updated_at charging_mode no_password_access "
                "user_id user_name "
                "service_upgrade enable_ssl enable_publicip enterprise_project_id tags tags.key "
                "tags.value features "
                "features.support_acl features.support_transparent_client_ip features.support_ssl "
                "features.support_audit_log",
            ),
            "small": "instances.capacity_minor",
            "old": "instances.security_group_id",
        },
        never={
            NO_PUBLIC_IP: "instances.publicip_id instances.publicip_address",
            NO_ORDER: "instances.order_id",
            NO_UPGRADE: "instances.service_task_id",
            NO_USER: "instances.access_user",
        },
    ),
    "ShowInstance": Answer(
        section="4.1.4",
        model=dcs_models.ShowInstanceResponse,
        set_by={
            "ha": "instance_id name description status sub_status engine engine_version spec_code cpu_type "
            "capacity "
            "max_memory used_memory ip port domain_name readonly_domain_name vpc_id vpc_name "
            "subnet_id subnet_name "
            "subnet_cidr az_codes available_zones maintain_begin maintain_end created_at update_at "
            "launched_at "
            "charging_mode no_password_access user_id user_name service_upgrade enable_ssl enable_publicip "
            "transparent_client_ip_enable enterprise_project_id enterprise_project_name cache_mode "
            "product_type "
            "storage_type support_slow_log_flag db_number replica_count sharding_count "
            "cloud_service_type_code "
            "cloud_resource_type_code inquery_spec_code tags tags.key tags.value features "
            "features.support_acl "
            "features.support_transparent_client_ip features.support_ssl features.support_audit_log "
            "bandwidth_info bandwidth_info.bandwidth bandwidth_info.current_time bandwidth_info.expand_count "
            "bandwidth_info.max_expand_count bandwidth_info.task_running bandwidth_info.expand_effect_time "
            "bandwidth_info.expand_interval_time domain_name_info "
            "domain_name_info.support_public_resolve domain_name_info.is_latest_rules "
            "domain_name_info.zone_name "
            "instance_backup_policy "
            + under(
                "instance_backup_policy",
                "backup_policy_id created_at updated_at tenant_id policy policy.backup_type policy.save_days "
                "policy.periodical_backup_plan policy.periodical_backup_plan.timezone_offset "
                "policy.periodical_backup_plan.backup_at policy.periodical_backup_plan.period_type "
                "policy.periodical_backup_plan.begin_at",
            ),
            "small": "capacity_minor",
            "cluster": "backend_addrs",
            "old": "security_group_id security_group_name",
            "newer": "bandwidth_info.assured_bandwidth bandwidth_info.max_bandwidth_for_node",
        },
        never={
            NO_PUBLIC_IP: "publicip_id publicip_address",
            NO_ORDER: "order_id",
            NO_UPGRADE: "service_task_id",
            NO_USER: "access_user",
            NO_HISTORY: "domain_name_info.history_domain_names "
            + under("domain_name_info.history_domain_names", "domain_name is_readonly"),
            NO_BANDWIDTH: under(
                "bandwidth_info",
                "begin_time end_time next_expand_time",
            ),
        },
    ),
    "DeleteSingleInstance": Answer(section="4.1.5", model=dcs_models.DeleteSingleInstanceResponse),
    "UpdateInstance": Answer(section="4.1.6", model=dcs_models.UpdateInstanceResponse),
    "ResizeInstance": Answer(section="4.1.7", model=dcs_models.ResizeInstanceResponse),
    "ResetPassword": Answer(
        section="4.2.3",
        model=dcs_models.ResetPasswordResponse,
        set_by={
            "main": "retry_times_left lock_time lock_time_left",
            "newer": "code message",
            "locked": "ext_message",
        },
    ),
    "ListNumberOfInstancesInDifferentStatus": Answer(
        section="4.2.4",
        model=dcs_models.ListNumberOfInstancesInDifferentStatusResponse,
        set_by={
            "all": f"redis memcached {EACH_COUNT} "
            + f"{under('redis', EACH_COUNT)} {under('memcached', EACH_COUNT)}"
        },
    ),
    "ListStatisticsOfRunningInstances": Answer(
        section="4.2.6",
        model=dcs_models.ListStatisticsOfRunningInstancesResponse,
        set_by={
            "all": "statistics "
            + under(
                "statistics",
                "instance_id input_kbps output_kbps keys used_memory max_memory cmd_get_count "
                "cmd_set_count used_cpu",
            )
        },
    ),
    "DeleteBackupFile": Answer(section="4.5.1", model=dcs_models.DeleteBackupFileResponse),
    "RestoreInstance": Answer(
        section="4.5.2", model=dcs_models.RestoreInstanceResponse, set_by={"one": "restore_id"}
    ),
    "ListRestoreRecords": Answer(
        section="4.5.3",
        model=dcs_models.ListRestoreRecordsResponse,
        set_by={
            "succeeded": "total_num restore_record_response "
            + under(
                "restore_record_response",
                "restore_id restore_name backup_id backup_name backup_remark restore_remark status "
                "progress created_at updated_at",
            ),
            "failed": "restore_record_response.error_code",
        },
    ),
    "ListBackupFileLinks": Answer(
        section="4.5.4",
        model=dcs_models.ListBackupFileLinksResponse,
        set_by={"one": "file_path bucket_name links links.file_name links.link"},
    ),
    "CopyInstance": Answer(
        section="4.5.5", model=dcs_models.CopyInstanceResponse, set_by={"one": "backup_id"}
    ),
    "ListBackupRecords": Answer(
        section="4.5.6",
        model=dcs_models.ListBackupRecordsResponse,
        set_by={
            "manual": "total_num backup_record_response "
            + under(
                "backup_record_response",
                "backup_id backup_name instance_id backup_type backup_format status progress size "
                "is_support_restore remark created_at execution_at updated_at",
            ),
            "automatic": "backup_record_response.period",
            "failed": "backup_record_response.error_code",
        },
    ),
    "ListBackgroundTask": Answer(
        section="4.8.1",
        model=dcs_models.ListBackgroundTaskResponse,
        set_by={
            "resized": "task_count tasks "
            + under("tasks", "id name status user_id user_name created_at updated_at enable_show details")
            + " "
            + under(
                "tasks.details",
                "old_capacity new_capacity old_cache_mode new_cache_mode old_cache_type new_cache_type "
                "old_resource_spec_code new_resource_spec_code old_replica_num new_replica_num "
                "is_only_adjust_charging",
            ),
            "replicated": under("tasks.details", "replica_ip replica_az group_name"),
            "moved": under("tasks.details", "old_port new_port"),
            "renamed": under("tasks.details", "rename_commands"),
        },
        never={
            "documented as parameters of unspecified tasks, and missing in the example": "tasks.params",
            NO_TASK + " (public access)": under(
                "tasks.details", "enable_public_ip public_ip_id public_ip_address"
            ),
            NO_TASK + " (SSL)": under("tasks.details", "enable_ssl"),
            NO_TASK + " (accounts)": under("tasks.details", "account_name"),
            NO_TASK + " (swap of addresses)": under("tasks.details", "source_ip target_ip"),
            NO_TASK + " (taking a node out of DNS)": under("tasks.details", "node_name"),
            NO_TASK + " (parameters)": under("tasks.details", "updated_config_length"),
        },
    ),
    "DeleteBackgroundTask": Answer(
        section="4.8.2", model=dcs_models.DeleteBackgroundTaskResponse, set_by={"done": "message"}
    ),
    "ShowBackgroundTaskProgress": Answer(
        section="4.8.3",
        model=dcs_models.ShowBackgroundTaskProgressResponse,
        set_by={
            "done": "progress remain_time step_details "
            + under(
                "step_details",
                "step_id step_name step_status begin_time end_time sub_step_details "
                "sub_step_details.sub_step_id sub_step_details.sub_step_name "
                "sub_step_details.sub_step_status sub_step_details.begin_time sub_step_details.end_time "
                "sub_step_details.detail",
            ),
            "failed": under("step_details", "error_code sub_step_details.error_code"),
        },
    ),
    "ShowJobInfo": Answer(
        section="4.8.4",
        model=dcs_models.ShowJobInfoResponse,
        set_by={"done": "job_id job_type status begin_time end_time", "failed": "fail_reason"},
    ),
    "ListFlavors": Answer(
        section="4.9.1",
        model=dcs_models.ListFlavorsResponse,
        set_by={
            "all": "flavors "
            + under(
                "flavors",
                "spec_code cloud_service_type_code cloud_resource_type_code cache_mode engine engine_version "
                "product_type cpu_type storage_type capacity billing_mode tenant_ip_count "
                "pricing_type is_dec "
                "replica_count attrs attrs.capacity attrs.name attrs.value flavors_available_zones "
                "flavors_available_zones.capacity flavors_available_zones.unit "
                "flavors_available_zones.az_codes "
                "flavors_available_zones.available_zones",
            )
        },
    ),
    "ListMaintenanceWindows": Answer(
        section="4.9.2",
        model=dcs_models.ListMaintenanceWindowsResponse,
        set_by={"all": "maintain_windows " + under("maintain_windows", "seq begin end default")},
    ),
    "ShowQuotaOfTenant": Answer(
        section="4.9.3",
        model=dcs_models.ShowQuotaOfTenantResponse,
        set_by={
            "all": "quotas quotas.resources " + under("quotas.resources", "type unit min max quota used"),
        },
    ),
    "ListAvailableZones": Answer(
        section="4.9.4",
        model=dcs_models.ListAvailableZonesResponse,
        set_by={
            "all": "region_id available_zones "
            + under("available_zones", "code port name id resource_availability"),
        },
    ),
    "BatchCreateOrDeleteTags": Answer(section="", model=dcs_models.BatchCreateOrDeleteTagsResponse),
    "KeystoneListProjects": Answer(
        section="7.3",
        model=iam_models.KeystoneListProjectsResponse,
        set_by={
            "all": "links links._self projects "
            + under("projects", "id name domain_id parent_id is_domain enabled description links links._self")
        },
        never={
            "the list has one page": "links.next links.previous",
            "a project has no pages": under("projects.links", "next previous"),
        },
    ),
    "KeystoneCreateUserTokenByPassword": Answer(
        section="3.2",
        model=iam_models.KeystoneCreateUserTokenByPasswordResponse,
        set_by={
            "project": "x_subject_token token "
            + under(
                "token",
                "methods issued_at expires_at catalog catalog.id catalog.type catalog.name catalog.endpoints "
                "catalog.endpoints.id catalog.endpoints.url catalog.endpoints.region "
                "catalog.endpoints.region_id "
                "catalog.endpoints.interface project project.id project.name project.domain "
                "project.domain.id "
                "project.domain.name roles roles.id roles.name user user.id user.name "
                "user.password_expires_at "
                "user.domain user.domain.id user.domain.name",
            ),
            "domain": "token.domain token.domain.id token.domain.name",
        },
    ),
}
"""By SDK operation name."""
