//! Defaults for new instances, from a namespace's credentials Secret.

use std::fmt;

use super::Problem;
use crate::dcs::model::{CpuType, text::is_uuid};

/// Unchecked values of the credentials Secret. A message never repeats an invalid value: the Secret holds secrets too,
/// and the value may belong to another key.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Defaults {
    /// ID of the VPC.
    pub vpc_id: Option<String>,
    /// Network ID of the subnet.
    pub subnet_id: Option<String>,
    /// Codes of the zones to choose among.
    pub availability_zones: Option<Vec<String>>,
    /// `x86_64` or `aarch64`.
    pub cpu_type: Option<String>,
}

fn problem(message: &str) -> Problem {
    Problem::new("credentialsRef", message)
}

/// The trimmed text, unless it is empty.
fn non_empty(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

impl fmt::Debug for Defaults {
    /// Shows which values are set, and none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vpc_id, subnet_id, availability_zones, cpu_type } = self;
        f.debug_struct("Defaults")
            .field("vpc_id", &vpc_id.is_some())
            .field("subnet_id", &subnet_id.is_some())
            .field("availability_zones", &availability_zones.is_some())
            .field("cpu_type", &cpu_type.is_some())
            .finish()
    }
}

// === impl Defaults ===

impl Defaults {
    /// The default CPU type.
    pub(in crate::plan::instance) fn cpu(&self) -> Result<Option<CpuType>, Problem> {
        let cpu = non_empty(self.cpu_type.as_ref()).map(CpuType::from);
        if matches!(cpu, Some(CpuType::Other(_))) {
            return Err(problem("cpuType in the credentials Secret: write x86_64 or aarch64, or remove it"));
        }
        Ok(cpu)
    }

    /// The default zones, in the order of the Secret; empty if there are none.
    pub(in crate::plan::instance) fn zones(&self) -> Result<Vec<&str>, Problem> {
        let zones = self.availability_zones.iter().flatten().map(|zone| zone.trim());
        let zones: Vec<&str> = zones.filter(|zone| !zone.is_empty()).collect();
        if zones.iter().all(|zone| super::desired::is_zone(zone)) {
            Ok(zones)
        } else {
            let message = "availabilityZones in the credentials Secret: write codes of zones such as cn-north-4a, \
                           separated by commas, or remove it";
            Err(problem(message))
        }
    }

    /// The ID of the default VPC.
    pub(in crate::plan::instance) fn vpc(&self) -> Result<Option<&str>, Problem> {
        id(self.vpc_id.as_ref(), "vpcId in the credentials Secret: write the ID of a VPC, 36 characters")
    }

    /// The network ID of the default subnet.
    pub(in crate::plan::instance) fn subnet(&self) -> Result<Option<&str>, Problem> {
        let message = "subnetId in the credentials Secret: write the network ID of a subnet, 36 characters";
        id(self.subnet_id.as_ref(), message)
    }
}

fn id<'a>(text: Option<&'a String>, message: &str) -> Result<Option<&'a str>, Problem> {
    let id = non_empty(text);
    if id.is_none_or(is_uuid) { Ok(id) } else { Err(problem(message)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";

    #[test]
    fn values_are_trimmed_and_empty_ones_are_absent() {
        let defaults = Defaults {
            vpc_id: Some(format!(" {ID}\n")),
            subnet_id: Some(" ".to_owned()),
            availability_zones: Some(vec![" cn-north-4a".to_owned(), String::new()]),
            cpu_type: Some("AArch64\n".to_owned()),
        };
        assert_eq!(defaults.vpc(), Ok(Some(ID)));
        assert_eq!(defaults.subnet(), Ok(None));
        assert_eq!(defaults.zones(), Ok(vec!["cn-north-4a"]));
        assert_eq!(defaults.cpu(), Ok(Some(CpuType::Aarch64)));
    }

    #[test]
    fn a_message_does_not_repeat_an_invalid_value() {
        let invalid = || Some("canary, Pass-w0rd".to_owned());
        let defaults = Defaults {
            vpc_id: invalid(),
            subnet_id: invalid(),
            availability_zones: invalid().map(|text| vec![text]),
            cpu_type: invalid(),
        };
        let problems = [
            defaults.vpc().unwrap_err(),
            defaults.subnet().unwrap_err(),
            defaults.zones().unwrap_err(),
            defaults.cpu().unwrap_err(),
        ];
        for problem in problems {
            assert!(!problem.message.contains("canary"), "{problem}");
            assert!(problem.message.contains("in the credentials Secret: write"), "{problem}");
        }
    }
}
