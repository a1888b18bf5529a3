//! The desired state: the spec, validated and parsed once.

mod check;

use std::collections::BTreeMap;

use super::{Invalid, Window, quantity};
use crate::{
    api::instance::{
        self, Auth, AuthType, DcsInstanceSpec, DeletionPolicy, ManagementPolicy, OnExternalDeletion,
    },
    dcs::model::{CacheMode, Capacity, CpuType},
};

pub(in crate::plan::instance) use check::is_zone;

/// The key of a user's Secret that holds the password, unless the spec names another.
const PASSWORD_KEY: &str = "password";

/// The desired state of a valid spec. `None` is a field that is not declared: it is neither compared nor changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Engine version, such as `6.0`.
    pub engine_version: Option<String>,
    /// Memory size.
    pub capacity: Option<Capacity>,
    /// The flavor, by code or by properties.
    pub flavor: FlavorSpec,
    /// Codes of the zones, the master's first; at least one.
    pub availability_zones: Option<Vec<String>>,
    /// VPC, subnet, address and security group.
    pub network: NetworkSpec,
    /// The port, never 0.
    pub port: Option<u16>,
    /// How clients authenticate.
    pub auth: Option<AuthSpec>,
    /// The instance's name in DCS.
    pub name: Option<String>,
    /// The instance's description in DCS; may be empty.
    pub description: Option<String>,
    /// The maintenance window; parsing does not check that DCS offers it.
    pub window: Option<Window>,
    /// Tags; none has a reserved key.
    pub tags: Option<BTreeMap<String, String>>,
    /// ID of the enterprise project; `0` is the default one.
    pub enterprise_project_id: Option<String>,
    /// Whether the operator may change the instance.
    pub management: ManagementPolicy,
    /// Whether the instance is deleted with its object; if absent, its origin tag decides.
    pub deletion: Option<DeletionPolicy>,
    /// The reaction to an instance that was deleted outside the operator.
    pub on_external_deletion: OnExternalDeletion,
    /// ID of the instance to adopt.
    pub adopt: Option<String>,
    /// Whether every change in the cloud is suspended.
    pub paused: bool,
}

/// The flavor of an instance: a code, or properties.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FlavorSpec {
    /// The flavor's code.
    SpecCode(String),
    /// The declared properties of a flavor.
    Select {
        /// Cache mode.
        cache_mode: Option<CacheMode>,
        /// Processor of the nodes.
        cpu_type: Option<CpuType>,
        /// Copies of the data, including the master.
        replicas: Option<i64>,
        /// Number of shards.
        shards: Option<i64>,
    },
}

/// The network of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NetworkSpec {
    /// ID of the VPC; set if `subnet_id` is set.
    pub vpc_id: Option<String>,
    /// Network ID of the subnet; set if `vpc_id` is set.
    pub subnet_id: Option<String>,
    /// IPv4 address in the subnet.
    pub private_ip: Option<String>,
    /// ID of the security group, for Redis 3.0.
    pub security_group_id: Option<String>,
}

/// How clients authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AuthSpec {
    /// With a password that the operator generates.
    Generated,
    /// With a password from the user's Secret.
    SecretRef {
        /// Name of a Secret in the object's namespace.
        name: String,
        /// The key in the Secret.
        key: String,
    },
    /// Without a password: every client in the network can read and write.
    Open,
}

// === impl Desired ===

impl Desired {
    /// Parses a spec. It repeats the checks of the API server: an object can be older than the rules of its CRD.
    ///
    /// # Errors
    /// The spec is invalid: every problem, each with what to write instead.
    pub fn parse(spec: &DcsInstanceSpec) -> Result<Self, Invalid> {
        Invalid::unless_none(check::problems(spec))?;
        Ok(Self {
            engine_version: spec.engine_version.clone(),
            capacity: spec.capacity.as_ref().and_then(|quantity| quantity::capacity(&quantity.0)),
            flavor: FlavorSpec::parse(spec),
            availability_zones: spec.availability_zones.clone(),
            network: spec.network.as_ref().map(NetworkSpec::parse).unwrap_or_default(),
            port: spec.port.and_then(port),
            auth: spec.auth.as_ref().and_then(AuthSpec::parse),
            name: spec.name.clone(),
            description: spec.description.clone(),
            window: spec.maintenance_window.as_ref().and_then(Window::parse),
            tags: spec.tags.clone(),
            enterprise_project_id: spec.enterprise_project_id.clone(),
            management: spec.management_policy.unwrap_or(ManagementPolicy::Managed),
            deletion: spec.deletion_policy,
            on_external_deletion: spec.on_external_deletion.unwrap_or(OnExternalDeletion::Report),
            adopt: spec.adopt.as_ref().map(|adopt| adopt.instance_id.clone()),
            paused: spec.paused.unwrap_or(false),
        })
    }
}

/// A valid TCP port: 1 to 65535.
fn port(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port > 0)
}

// === impl FlavorSpec ===

impl FlavorSpec {
    fn parse(spec: &DcsInstanceSpec) -> Self {
        match &spec.spec_code {
            Some(code) => Self::SpecCode(code.clone()),
            None => Self::Select {
                cache_mode: spec.cache_mode.map(cache_mode),
                cpu_type: spec.cpu_type.map(cpu_type),
                replicas: spec.replicas.map(i64::from),
                shards: spec.shards.map(i64::from),
            },
        }
    }
}

const fn cache_mode(mode: instance::CacheMode) -> CacheMode {
    match mode {
        instance::CacheMode::Single => CacheMode::Single,
        instance::CacheMode::Ha => CacheMode::Ha,
        instance::CacheMode::HaRwSplit => CacheMode::HaRwSplit,
        instance::CacheMode::Proxy => CacheMode::Proxy,
        instance::CacheMode::Cluster => CacheMode::Cluster,
    }
}

const fn cpu_type(cpu: instance::CpuType) -> CpuType {
    match cpu {
        instance::CpuType::X86_64 => CpuType::X86_64,
        instance::CpuType::Aarch64 => CpuType::Aarch64,
    }
}

// === impl NetworkSpec ===

impl NetworkSpec {
    fn parse(network: &instance::Network) -> Self {
        Self {
            vpc_id: network.vpc_id.clone(),
            subnet_id: network.subnet_id.clone(),
            private_ip: network.private_ip.clone(),
            security_group_id: network.security_group_id.clone(),
        }
    }
}

// === impl AuthSpec ===

impl AuthSpec {
    /// `None` for type SecretRef without secretRef, which the rules reject.
    fn parse(auth: &Auth) -> Option<Self> {
        match auth.type_ {
            AuthType::Generated => Some(Self::Generated),
            AuthType::SecretRef => auth.secret_ref.as_ref().map(|secret| Self::SecretRef {
                name: secret.name.clone(),
                key: secret.key.clone().unwrap_or_else(|| PASSWORD_KEY.to_owned()),
            }),
            AuthType::None => Some(Self::Open),
        }
    }
}

#[cfg(test)]
mod tests;
