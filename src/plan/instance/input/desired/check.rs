//! The checks of the API server, repeated.
//!
//! [`rules`] and its sibling modules define the rules in CEL, with their messages. This module evaluates each of them,
//! in the same order: a rule that is added there does not compile until it is added here. The limits of the schema
//! (lengths, ranges) have messages here.

use std::net::Ipv4Addr;

use super::port;
use crate::{
    api::{
        instance::{
            self, Auth, AuthType, CacheMode, DcsInstanceSpec, ManagementPolicy, Network, OnExternalDeletion,
            PasswordSecretRef, auth, network, policy, rules,
        },
        rules::{OBJECT_NAME, Rule, UUID},
    },
    dcs::model::text::is_uuid,
    formats::RESERVED_PREFIX,
    plan::instance::input::{Problem, Window, quantity},
};

/// All problems of a spec.
pub(super) fn problems(spec: &DcsInstanceSpec) -> Vec<Problem> {
    let mut findings = Findings::default();
    findings.fields(spec);
    findings.sizes(spec);
    if let Some(network) = &spec.network {
        findings.network(network);
    }
    if let Some(auth) = &spec.auth {
        findings.auth(auth);
    }
    if let Some(window) = &spec.maintenance_window {
        findings.window(window);
    }
    if let Some(tags) = &spec.tags {
        findings.tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    }
    findings.whole(spec);
    findings.0
}

/// The problems found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Problem>);

// === impl Findings ===

impl Findings {
    /// Adds the rules of `field` (empty for the spec itself) that do not hold.
    fn rules<const N: usize>(&mut self, field: &str, rules: &[Rule], holds: [bool; N]) {
        for (rule, _) in rules.iter().zip(holds).filter(|(_, holds)| !holds) {
            let at = format!("{field}{}", rule.at);
            self.0.push(Problem::new(at.trim_start_matches('.'), rule.message));
        }
    }

    fn require(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.0.push(Problem::new(field, message));
        }
    }

    fn uuid(&mut self, field: &str, id: Option<&String>) {
        self.rules::<{ UUID.len() }>(field, UUID, [id.is_none_or(|id| is_uuid(id))]);
    }

    fn object_name(&mut self, field: &str, name: &str) {
        let holds = (1..=253).contains(&name.len()) && is_object_name(name);
        self.rules::<{ OBJECT_NAME.len() }>(field, OBJECT_NAME, [holds]);
    }

    /// Rules of single fields.
    fn fields(&mut self, spec: &DcsInstanceSpec) {
        if let Some(credentials) = &spec.credentials_ref {
            self.object_name("credentialsRef.name", &credentials.name);
        }
        let holds = [spec.engine_version.as_deref().is_none_or(is_version)];
        self.rules::<{ rules::ENGINE_VERSION.len() }>("engineVersion", rules::ENGINE_VERSION, holds);
        let capacity = spec.capacity.as_ref().map(|capacity| capacity.0.as_str());
        let is_quantity = capacity.is_none_or(quantity::is_quantity);
        let holds = [is_quantity, !is_quantity || capacity.is_none_or(|c| quantity::capacity(c).is_some())];
        self.rules::<{ rules::CAPACITY.len() }>("capacity", rules::CAPACITY, holds);
        let holds = [spec.name.as_deref().is_none_or(is_cloud_name)];
        self.rules::<{ rules::CLOUD_NAME.len() }>("name", rules::CLOUD_NAME, holds);
        let holds = [spec.spec_code.as_deref().is_none_or(is_spec_code)];
        self.rules::<{ rules::SPEC_CODE.len() }>("specCode", rules::SPEC_CODE, holds);
        let holds = [spec.enterprise_project_id.as_deref().is_none_or(|id| id == "0" || is_uuid(id))];
        let rules = rules::ENTERPRISE_PROJECT;
        self.rules::<{ rules::ENTERPRISE_PROJECT.len() }>("enterpriseProjectId", rules, holds);
        self.uuid("adopt.instanceId", spec.adopt.as_ref().map(|adopt| &adopt.instance_id));
    }

    /// Lengths and ranges, from the schema.
    fn sizes(&mut self, spec: &DcsInstanceSpec) {
        let fits = spec.description.as_ref().is_none_or(|text| text.chars().count() <= 1024);
        self.require(fits, "description", "write 1024 characters or fewer");
        let fits = spec.replicas.is_none_or(|replicas| (1..=10).contains(&replicas));
        self.require(fits, "replicas", "write a number from 1 to 10");
        let fits = spec.shards.is_none_or(|shards| (1..=256).contains(&shards));
        self.require(fits, "shards", "write a number from 1 to 256");
        let fits = spec.port.is_none_or(|number| port(number).is_some());
        self.require(fits, "port", "write a number from 1 to 65535");
        let Some(zones) = &spec.availability_zones else { return };
        let fits = (1..=8).contains(&zones.len()) && zones.iter().all(|zone| is_zone(zone));
        let message = "write codes of 1 to 8 zones, such as cn-north-4a, or remove availabilityZones";
        self.require(fits, "availabilityZones", message);
        let twice = zones.iter().enumerate().any(|(n, zone)| zones.iter().take(n).any(|other| other == zone));
        self.require(!twice, "availabilityZones", "a zone occurs twice: write each zone once");
    }

    fn network(&mut self, network: &Network) {
        let holds = [network.vpc_id.is_some() == network.subnet_id.is_some()];
        self.rules::<{ network::RULES.len() }>("network", network::RULES, holds);
        self.uuid("network.vpcId", network.vpc_id.as_ref());
        self.uuid("network.subnetId", network.subnet_id.as_ref());
        let holds = [network.private_ip.as_ref().is_none_or(|ip| ip.parse::<Ipv4Addr>().is_ok())];
        self.rules::<{ network::ADDRESS.len() }>("network.privateIp", network::ADDRESS, holds);
        self.uuid("network.securityGroupId", network.security_group_id.as_ref());
    }

    fn auth(&mut self, auth: &Auth) {
        let Auth { type_, secret_ref } = auth;
        let by_secret = *type_ == AuthType::SecretRef;
        let holds = [!by_secret || secret_ref.is_some(), by_secret || secret_ref.is_none()];
        self.rules::<{ auth::RULES.len() }>("auth", auth::RULES, holds);
        let Some(PasswordSecretRef { name, key }) = secret_ref else { return };
        self.object_name("auth.secretRef.name", name);
        let message = "write a key of the Secret: letters, digits, '-', '_' and '.'";
        self.require(key.as_deref().is_none_or(is_key), "auth.secretRef.key", message);
    }

    fn window(&mut self, window: &instance::MaintenanceWindow) {
        let is_hour = |text: &str| Window::strict_hour(text).is_some();
        let holds = [is_hour(&window.begin), is_hour(&window.end), window.begin != window.end];
        self.rules::<{ policy::WINDOW.len() }>("maintenanceWindow", policy::WINDOW, holds);
    }

    fn tags<'a>(&mut self, tags: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
        let keys = || tags.clone().map(|(key, _)| key);
        let mut values = tags.clone().map(|(_, value)| value);
        let holds = [
            keys().all(|key| (1..=36).contains(&key.chars().count())),
            keys().all(|key| key.trim_matches(' ') == key && key.chars().all(is_tag_character)),
            values.all(|value| value.chars().all(|c| is_tag_character(c) || c == '/')),
            keys().all(|key| !key.starts_with(RESERVED_PREFIX) && !key.starts_with("_sys_")),
        ];
        self.rules::<{ rules::TAGS.len() }>("tags", rules::TAGS, holds);
        self.require(tags.clone().count() <= 16, "tags", "write 16 tags or fewer");
        let fits = tags.clone().all(|(_, value)| value.chars().count() <= 43);
        self.require(fits, "tags", "a tag value is too long: write 43 characters or fewer");
    }

    /// Rules that relate several fields.
    fn whole(&mut self, spec: &DcsInstanceSpec) {
        let network = spec.network.as_ref();
        let (adopts, mode) = (spec.adopt.is_some(), spec.cache_mode);
        let version = spec.engine_version.as_deref();
        let is_3 = version.is_some_and(|version| version.starts_with("3."));
        let sized = spec.capacity.is_some() || spec.spec_code.is_some();
        let selects =
            mode.is_some() || spec.cpu_type.is_some() || spec.replicas.is_some() || spec.shards.is_some();
        let grouped = network.is_some_and(|network| network.security_group_id.is_some());
        let is_single = mode == Some(CacheMode::Single);
        // Without cacheMode a new instance is ha; the mode of an adopted one is not known yet.
        let is_replicated = mode.map_or(!adopts, |mode| matches!(mode, CacheMode::Ha | CacheMode::HaRwSplit));
        let is_sharded = mode.map_or(adopts, |mode| matches!(mode, CacheMode::Proxy | CacheMode::Cluster));
        let observes = spec.management_policy == Some(ManagementPolicy::Observe);
        let recreates = spec.on_external_deletion == Some(OnExternalDeletion::Recreate);
        let holds = [
            adopts || version.is_some(),
            adopts || sized,
            spec.spec_code.is_none() || !selects,
            spec.replicas.is_none_or(|replicas| replicas == 1) || !is_single,
            spec.replicas.is_none_or(|replicas| replicas >= 2) || !is_replicated,
            spec.shards.is_none() || is_sharded,
            !is_3 || !matches!(mode, Some(CacheMode::HaRwSplit | CacheMode::Cluster)),
            spec.availability_zones.as_ref().is_none_or(|zones| zones.len() == 1) || !is_single,
            spec.port.is_none() || !is_3,
            !grouped || version.is_none() || is_3,
            adopts || !is_3 || grouped,
            !observes || adopts,
            !recreates || !observes,
            !recreates || (version.is_some() && sized),
        ];
        self.rules::<{ rules::SPEC.len() }>("", rules::SPEC, holds);
    }
}

/// `[0-9]{1,2}[.][0-9]{1,2}`
fn is_version(text: &str) -> bool {
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

/// `[A-Za-z][A-Za-z0-9_-]{3,63}`
fn is_cloud_name(text: &str) -> bool {
    (4..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Lower case letters and digits, in two parts or more.
fn is_spec_code(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let mut parts = text.split(['.', '_', '-']);
    text.len() <= 64 && parts.clone().count() >= 2 && parts.all(is_part)
}

fn is_object_name(text: &str) -> bool {
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_edge)
        && text.ends_with(is_edge)
        && text.chars().all(|c| is_edge(c) || c == '-' || c == '.')
}

/// A key of a Secret.
fn is_key(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Whether this has the form of a zone code.
pub(in crate::plan::instance) fn is_zone(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || " _.:=+-@".contains(c)
}
