//! What is wished for: the spec, parsed once. Nothing reads the spec itself after that.

mod check;

use std::collections::BTreeMap;

use super::{Invalid, Window, quantity};
use crate::{
    api::instance::{
        self, Auth, AuthType, DcsInstanceSpec, DeletionPolicy, ManagementPolicy, OnExternalDeletion,
    },
    dcs::model::{CacheMode, Capacity, CpuType},
};

pub(in crate::plan::instance) use check::{is_uuid, is_zone};

/// The key of a user's Secret that holds the password, unless the spec names another.
const PASSWORD_KEY: &str = "password";

/// A valid wish. `None` means that nothing was declared: then nothing is compared and nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Such as `6.0`.
    pub engine_version: Option<String>,
    /// Memory.
    pub capacity: Option<Capacity>,
    /// How it is built.
    pub flavor: FlavorSpec,
    /// Codes of the zones, the master's first; at least one.
    pub availability_zones: Option<Vec<String>>,
    /// Where it is reached.
    pub network: NetworkSpec,
    /// Never 0.
    pub port: Option<u16>,
    /// How clients prove who they are.
    pub auth: Option<AuthSpec>,
    /// Name in the cloud.
    pub name: Option<String>,
    /// Description in the cloud; may be empty.
    pub description: Option<String>,
    /// When the cloud may do maintenance; whether it offers that is not known yet.
    pub window: Option<Window>,
    /// Tags, none of them ours.
    pub tags: Option<BTreeMap<String, String>>,
    /// `0` is the default one.
    pub enterprise_project_id: Option<String>,
    /// Whether the operator changes anything in the cloud.
    pub management: ManagementPolicy,
    /// What becomes of the instance when its object is deleted; if absent, its mark decides.
    pub deletion: Option<DeletionPolicy>,
    /// What to do when the instance is gone and nobody asked for that.
    pub on_external_deletion: OnExternalDeletion,
    /// ID of an instance to take over.
    pub adopt: Option<String>,
    /// Whether every change in the cloud has to wait.
    pub paused: bool,
}

/// One of the two ways to say how an instance is built.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FlavorSpec {
    /// By the flavor's code.
    SpecCode(String),
    /// By what it is to be like, as far as that was declared.
    Select {
        /// How it is built.
        cache_mode: Option<CacheMode>,
        /// Processor of the nodes.
        cpu_type: Option<CpuType>,
        /// Copies of the data, the master included.
        replicas: Option<i64>,
        /// Parts that the data is divided into.
        shards: Option<i64>,
    },
}

/// Where an instance is to be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NetworkSpec {
    /// ID of the VPC; there if `subnet_id` is.
    pub vpc_id: Option<String>,
    /// Network ID of the subnet; there if `vpc_id` is.
    pub subnet_id: Option<String>,
    /// IPv4 address in the subnet.
    pub private_ip: Option<String>,
    /// ID of the security group, for Redis 3.0.
    pub security_group_id: Option<String>,
}

/// How clients are to prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AuthSpec {
    /// With a password that the operator makes.
    Generated,
    /// With a password of the user's.
    SecretRef {
        /// Name of a Secret in the object's namespace.
        name: String,
        /// The key in it.
        key: String,
    },
    /// Not at all: everybody in the network can read and write.
    Open,
}

// === impl Desired ===

impl Desired {
    /// From the spec. All that the API server checks is checked again: an object can be older than its rules.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with what to write instead.
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

/// A port that something can listen on.
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
    /// `None` for a reference that refers to nothing, which the rules refuse.
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
