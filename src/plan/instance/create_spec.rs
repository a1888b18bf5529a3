//! The parameters of a new instance, except the password.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use secrecy::SecretString;

use super::{
    SelectedFlavor,
    input::{AuthSpec, Defaults, Desired, Invalid, Problem, Window},
};
use crate::{
    api::instance::{Resolved, ResolvedWindow},
    dcs::model::{CreateInstance, Tag},
    formats::{Origin, OwnershipTags},
};

/// The parameters of a new instance. The password is not part of them: nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSpec {
    /// Where the password comes from.
    pub password: PasswordSource,
    name: String,
    description: Option<String>,
    engine_version: String,
    flavor: SelectedFlavor,
    vpc_id: String,
    subnet_id: String,
    private_ip: Option<String>,
    security_group_id: Option<String>,
    port: Option<u16>,
    window: Option<Window>,
    tags: Vec<(String, String)>,
    enterprise_project_id: Option<String>,
    origin: Origin,
}

/// Where the password of a new instance comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PasswordSource {
    /// The operator generates it.
    Generated,
    /// The user's Secret holds it.
    SecretRef {
        /// Name of the Secret, in the object's namespace.
        name: String,
        /// The key in the Secret.
        key: String,
    },
    /// None, as the spec declares: every client in the network can read and write.
    Open,
}

/// The VPC and the subnet. Both come from the spec or both from the credentials Secret: a subnet belongs to one VPC.
fn network(desired: &Desired, defaults: &Defaults, problems: &mut Vec<Problem>) -> (String, String) {
    if let (Some(vpc), Some(subnet)) = (&desired.network.vpc_id, &desired.network.subnet_id) {
        return (vpc.clone(), subnet.clone());
    }
    let mut default = |id: Result<Option<&str>, Problem>, field: &str, message: &str| {
        let id = id.and_then(|id| id.ok_or_else(|| Problem::new(field, message)));
        id.map_err(|problem| problems.push(problem)).map(str::to_owned).unwrap_or_default()
    };
    let vpc = "a new instance needs a VPC: set network.vpcId and network.subnetId in the spec, or vpcId and \
               subnetId in the credentials Secret";
    let subnet = "a new instance needs a subnet: set network.vpcId and network.subnetId in the spec, or vpcId and \
                  subnetId in the credentials Secret";
    (default(defaults.vpc(), "network.vpcId", vpc), default(defaults.subnet(), "network.subnetId", subnet))
}

/// A number of the cloud, as status has it.
fn number(number: Option<i64>) -> Option<i32> {
    number.and_then(|number| i32::try_from(number).ok())
}

// === impl CreateSpec ===

impl CreateSpec {
    /// Builds the parameters. `name` is the instance's name in DCS, declared or derived; `owner_tags` are added to the
    /// declared tags.
    ///
    /// # Errors
    /// A required parameter is missing in the spec and in the credentials Secret.
    pub fn build(
        desired: &Desired,
        defaults: &Defaults,
        flavor: SelectedFlavor,
        name: String,
        owner_tags: &OwnershipTags,
    ) -> Result<Self, Invalid> {
        let mut problems = Vec::new();
        let engine_version = desired.engine_version.clone().unwrap_or_default();
        if engine_version.is_empty() {
            let message = "a new instance needs engineVersion: write one, such as \"6.0\"";
            problems.push(Problem::new("engineVersion", message));
        }
        let (vpc_id, subnet_id) = network(desired, defaults, &mut problems);
        let security_group_id = desired.network.security_group_id.clone();
        // The rules require no security group for an adopted instance; the instance that replaces it needs one.
        if engine_version.starts_with("3.") && security_group_id.is_none() {
            let message = "Redis 3.0 needs a security group: set network.securityGroupId";
            problems.push(Problem::new("network.securityGroupId", message));
        }
        Invalid::unless_none(problems)?;
        let declared = desired.tags.iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
        let ours = owner_tags.tags().map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(Self {
            password: PasswordSource::of(desired.auth.as_ref()),
            name,
            description: desired.description.clone(),
            engine_version,
            flavor,
            vpc_id,
            subnet_id,
            private_ip: desired.network.private_ip.clone(),
            security_group_id,
            port: desired.port,
            window: desired.window,
            tags: declared.chain(ours).collect(),
            enterprise_project_id: desired.enterprise_project_id.clone(),
            origin: owner_tags.origin,
        })
    }

    /// The create request (API reference 4.1.1). It contains the password unless the spec declares an open instance.
    /// DCS rejects a request without either: no instance is open by mistake.
    pub fn request(&self, password: Option<SecretString>) -> CreateInstance {
        let is_open = self.password == PasswordSource::Open;
        let (maintain_begin, maintain_end) = self.window.map(|window| window.request()).unzip();
        let tag = |(key, value): &(String, String)| Tag { key: key.clone(), value: Some(value.clone()) };
        CreateInstance {
            name: self.name.clone(),
            engine: "Redis".to_owned(),
            engine_version: self.engine_version.clone(),
            capacity: self.flavor.capacity,
            spec_code: self.flavor.spec_code.clone(),
            az_codes: self.flavor.zones.clone(),
            vpc_id: self.vpc_id.clone(),
            subnet_id: self.subnet_id.clone(),
            security_group_id: self.security_group_id.clone(),
            description: self.description.clone().filter(|text| !text.is_empty()),
            private_ip: self.private_ip.clone(),
            instance_num: Some(1),
            maintain_begin,
            maintain_end,
            password: password.filter(|_| !is_open),
            no_password_access: is_open.then_some(true),
            tags: self.tags.iter().map(tag).collect(),
            port: self.port,
            enterprise_project_id: self.enterprise_project_id.clone(),
            ..CreateInstance::default()
        }
    }

    /// The parameters as `status.resolved` shows them, without the policies.
    pub fn resolved(&self) -> Resolved {
        let SelectedFlavor { spec_code, cache_mode, cpu_type, capacity, replicas, shards, zones } =
            &self.flavor;
        let window = self.window.map(|window| window.request());
        Resolved {
            name: Some(self.name.clone()),
            engine_version: Some(self.engine_version.clone()),
            capacity: Some(Quantity(capacity.to_string())),
            spec_code: Some(spec_code.clone()),
            cache_mode: Some(cache_mode.to_string()),
            cpu_type: cpu_type.as_ref().map(ToString::to_string),
            replicas: number(*replicas),
            shards: number(*shards),
            availability_zones: zones.clone(),
            vpc_id: Some(self.vpc_id.clone()),
            subnet_id: Some(self.subnet_id.clone()),
            private_ip: self.private_ip.clone(),
            security_group_id: self.security_group_id.clone(),
            port: self.port.map(i32::from),
            maintenance_window: window
                .map(|(begin, end)| ResolvedWindow { begin: Some(begin), end: Some(end) }),
            enterprise_project_id: self.enterprise_project_id.clone(),
            origin: Some(self.origin.word().to_owned()),
            auth_type: Some(self.password.as_str().to_owned()),
            management_policy: None,
            deletion_policy: None,
            on_external_deletion: None,
            reclaim_policy: None,
        }
    }
}

// === impl PasswordSource ===

impl PasswordSource {
    /// The source for the declared auth; a new instance without it gets a generated password.
    fn of(auth: Option<&AuthSpec>) -> Self {
        match auth {
            None | Some(AuthSpec::Generated) => Self::Generated,
            Some(AuthSpec::SecretRef { name, key }) => {
                Self::SecretRef { name: name.clone(), key: key.clone() }
            }
            Some(AuthSpec::Open) => Self::Open,
        }
    }

    /// The auth type, as the spec spells it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Generated => "Generated",
            Self::SecretRef { .. } => "SecretRef",
            Self::Open => "None",
        }
    }
}

#[cfg(test)]
mod tests;
