//! Instance creation (API reference 4.1.1).

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde_json::{Value, json};

use super::{
    api_error::{ApiError, Result},
    instance::{Backup, Instance, Layout, PendingTransition, Shape, Transition},
    password::Password,
    request::Body,
    state::Service,
    task, topology, validate,
};
use crate::{
    dcs::model::{BackupPolicy, InstanceStatus, Tag},
    simulator::call::Reply,
};

/// Maximum number of instances per request.
const MAX_BATCH: i64 = 100;
const MAX_BATCH_NAME: usize = 56;
const VERSIONS: [&str; 5] = ["3.0", "4.0", "5.0", "6.0", "7.0"];

/// A validated request.
struct CreateRequest<'a> {
    names: Vec<String>,
    description: Option<&'a str>,
    engine_version: &'a str,
    shape: Shape,
    addresses: usize,
    zones: Vec<String>,
    vpc_id: &'a str,
    subnet_id: &'a str,
    security_group_id: Option<&'a str>,
    private_ip: Option<Ipv4Addr>,
    window: (String, String),
    password: Option<&'a str>,
    backup: Option<BackupPolicy>,
    tags: Vec<Tag>,
    port: u16,
    rename_commands: BTreeMap<String, String>,
    enterprise_project_id: &'a str,
}

// === impl Service ===

impl Service {
    /// API reference 4.1.1.
    pub(super) fn create(&mut self, body: &Value) -> Result<Reply> {
        let body = Body::new(body)?;
        let request = self.parse_create(body)?;
        self.check_names_are_free(request.names.iter().map(String::as_str), None)?;
        let count = i64::try_from(request.names.len()).unwrap_or(i64::MAX);
        self.check_quota(count, i64::from(request.shape.capacity.mib()) * count)?;
        let layouts = self.reserve_addresses(&request)?;
        let mut created = Vec::new();
        for (name, layout) in request.names.iter().zip(layouts) {
            let instance = self.build_instance(&request, name, layout);
            created.push(json!({"instance_id": instance.id, "instance_name": instance.name}));
            self.store.insert(instance);
        }
        let ids: Vec<_> = created.iter().filter_map(|one| one.get("instance_id")?.as_str()).collect();
        let effect = format!("created {}", ids.join(" "));
        Ok(Reply { effect, ..Reply::ok(json!({"instances": created})) })
    }

    /// Validates everything except quota, names and addresses, which depend on other instances.
    fn parse_create<'a>(&self, body: Body<'a>) -> Result<CreateRequest<'a>> {
        let rules = self.rules();
        let names = names(body)?;
        let (engine_version, shape, addresses) = engine_and_flavor(body, self.sells_redis_3())?;
        let version_3 = engine_version == "3.0";
        let description = body.nonempty("description")?;
        description.map_or(Ok(()), validate::description)?;
        let zones = self.chosen_zones(body)?;
        let (vpc_id, subnet_id) = self.network(body)?;
        let security_group_id = body.nonempty("security_group_id")?.filter(|_| version_3);
        if version_3 && security_group_id.is_none() {
            return Err(ApiError::new("DCS.4014"));
        }
        let private_ip = private_ip(body, names.len())?;
        let default = validate::windows(&rules).next().unwrap_or_default();
        let window = validate::window(body, &rules)?.unwrap_or(default);
        let password = validate::password(body, "password", rules.max_password, "DCS.4843")?;
        let backup = validate::backup_policy(body, &shape.mode, None)?;
        let tags = validate::tags(&body.objects("tags")?, &rules, false)?;
        let port = validate::port(body, version_3)?.unwrap_or(6379);
        let rename_commands = validate::rename_commands(body, version_3)?.unwrap_or_default();
        check_billing(body)?;
        let enterprise_project_id = body.nonempty("enterprise_project_id")?.unwrap_or("0");
        Ok(CreateRequest {
            names,
            description,
            engine_version,
            shape,
            addresses,
            zones,
            vpc_id,
            subnet_id,
            security_group_id,
            private_ip,
            window,
            password,
            backup,
            tags,
            port,
            rename_commands,
            enterprise_project_id,
        })
    }

    /// Existing zones that are not sold out: `DCS.4042`, `DCS.4054`.
    fn chosen_zones(&self, body: Body<'_>) -> Result<Vec<String>> {
        let codes = body.texts("az_codes")?;
        if codes.is_empty() {
            return Err(ApiError::new("DCS.4042"));
        }
        codes.into_iter().map(|code| self.available_zone(code, "DCS.4042")).collect()
    }

    /// An existing subnet of an existing VPC: `DCS.4013`, `DCS.4016`, `DCS.4068`, `DCS.4018`.
    fn network<'a>(&self, body: Body<'a>) -> Result<(&'a str, &'a str)> {
        let vpc_id = body.nonempty("vpc_id")?.ok_or_else(|| ApiError::new("DCS.4013"))?;
        let subnet_id = body.nonempty("subnet_id")?.ok_or_else(|| ApiError::new("DCS.4016"))?;
        self.networks.ensure_exists(vpc_id, subnet_id)?;
        Ok((vpc_id, subnet_id))
    }

    /// Reserves the addresses of all instances of a request, or none.
    fn reserve_addresses(&mut self, request: &CreateRequest<'_>) -> Result<Vec<Layout>> {
        self.networks.register_subnet(request.vpc_id, request.subnet_id);
        self.networks.ensure_free(request.subnet_id, request.names.len() * request.addresses)?;
        if let Some(address) = request.private_ip {
            self.networks.take_address(request.subnet_id, address)?;
        }
        let mut layouts = Vec::new();
        for _ in &request.names {
            let nodes = topology::place_nodes(&mut self.ids, &request.shape, &[], &request.zones);
            let shape = request.shape.clone();
            layouts.push(topology::assign_addresses(
                &mut self.networks,
                request.subnet_id,
                shape,
                nodes,
                request.private_ip,
            )?);
        }
        Ok(layouts)
    }

    fn build_instance(&mut self, request: &CreateRequest<'_>, name: &str, layout: Layout) -> Instance {
        let fails = self.failing_creations > 0;
        self.failing_creations = self.failing_creations.saturating_sub(1);
        let until = self.after(self.options.provisioning);
        let mut tasks = Vec::new();
        if fails {
            let mut task = self.new_task("Create", Value::Null, until);
            task.failure = Some("create instance fail".to_owned());
            task::push(&mut tasks, task);
        }
        let backup = request.backup.clone().map(|policy| self.new_backup(policy));
        let password = request.password.map(|password| Password::new(password, self.ids.hex()));
        Instance {
            id: self.ids.uuid(),
            name: name.to_owned(),
            description: request.description.map(str::to_owned),
            engine_version: request.engine_version.to_owned(),
            shape: layout.shape,
            nodes: layout.nodes,
            proxy_address: layout.proxy_address,
            port: request.port,
            zones: request.zones.clone(),
            vpc_id: request.vpc_id.to_owned(),
            subnet_id: request.subnet_id.to_owned(),
            security_group_id: request.security_group_id.map(str::to_owned),
            maintain_begin: request.window.0.clone(),
            maintain_end: request.window.1.clone(),
            backup,
            tags: request.tags.clone(),
            rename_commands: request.rename_commands.clone(),
            enterprise_project_id: request.enterprise_project_id.to_owned(),
            charging_mode: 0,
            sub_status: "normal".to_owned(),
            task: None,
            used_memory: None,
            locked: false,
            created_at: self.now,
            launched_at: None,
            updated_at: self.now,
            tasks,
            backups: Vec::new(),
            restores: Vec::new(),
            automatic: None,
            password,
            visible_at: self.after(self.options.visible_after),
            status: InstanceStatus::Creating,
            forced: None,
            pending: Some(PendingTransition {
                until,
                transition: if fails { Transition::FailToCreate } else { Transition::Create },
            }),
            scheduled: None,
            stale_reads: 0,
        }
    }

    pub(super) fn new_backup(&mut self, policy: BackupPolicy) -> Backup {
        Backup { id: self.ids.uuid(), policy, created_at: self.now, updated_at: self.now }
    }
}

/// The name, or the numbered names of a batch: `DCS.4010`, `DCS.4800`.
fn names(body: Body<'_>) -> Result<Vec<String>> {
    let count = body.integer("instance_num")?.unwrap_or(1);
    if !(1..=MAX_BATCH).contains(&count) {
        return Err(ApiError::invalid_field("instance_num"));
    }
    let name = body.text("name")?.unwrap_or_default();
    validate::name(name, if count == 1 { validate::MAX_NAME } else { MAX_BATCH_NAME }, true)?;
    if count == 1 {
        return Ok(vec![name.to_owned()]);
    }
    Ok((0..count).map(|n| format!("{name}-{n:03}")).collect())
}

/// Version, shape and number of addresses: `DCS.4006`, `DCS.4008`, `DCS.4927`, `DCS.4007`, `DCS.4012`.
fn engine_and_flavor(body: Body<'_>, redis_3: bool) -> Result<(&str, Shape, usize)> {
    let engine = body.nonempty("engine")?.filter(|engine| engine.eq_ignore_ascii_case("redis"));
    engine.ok_or_else(|| ApiError::new("DCS.4006"))?;
    let is_sold = |version: &&str| VERSIONS.contains(version) && (redis_3 || *version != "3.0");
    let version = body.nonempty("engine_version")?.filter(is_sold);
    let version = version.ok_or_else(|| ApiError::new("DCS.4008"))?;
    let flavor = validate::flavor(body)?;
    if !flavor.versions.contains(&version) {
        return Err(ApiError::new("DCS.4007"));
    }
    let size = validate::size(body, "capacity", flavor)?;
    Ok((version, Shape::new(flavor, size), flavor.addresses(size) as usize))
}

/// The requested address, allowed for a single instance only.
fn private_ip(body: Body<'_>, count: usize) -> Result<Option<Ipv4Addr>> {
    let Some(text) = body.nonempty("private_ip")? else { return Ok(None) };
    let address = text.parse().ok().filter(|_| count == 1);
    address.map(Some).ok_or_else(|| ApiError::invalid_field("private_ip"))
}

/// Only pay-per-use billing is supported.
fn check_billing(body: Body<'_>) -> Result<()> {
    let mode = body.object("bss_param")?.map(|bss| bss.nonempty("charging_mode")).transpose()?.flatten();
    match mode {
        None | Some("postPaid") => Ok(()),
        Some(_) => Err(ApiError::invalid_field("charging_mode")),
    }
}

#[cfg(test)]
mod tests;
