//! What a namespace's credentials Secret says for instances that do not say it themselves.

use std::fmt;

use super::{Problem, desired::is_uuid};
use crate::dcs::model::CpuType;

/// Values of the Secret, as they stand there: text that nobody has checked. The Secret holds secrets too, so a
/// value that makes no sense is never repeated in a message: it may have been meant for another key.
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

/// The text, if there is any.
fn word(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

impl fmt::Debug for Defaults {
    /// Says what is there, and not one value.
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
    /// The processor, if the Secret names one.
    pub(in crate::plan::instance) fn cpu(&self) -> Result<Option<CpuType>, Problem> {
        let cpu = word(self.cpu_type.as_ref()).map(CpuType::from);
        if matches!(cpu, Some(CpuType::Other(_))) {
            return Err(problem("cpuType in the credentials Secret: write x86_64 or aarch64, or remove it"));
        }
        Ok(cpu)
    }

    /// The zones, in the order of the Secret, if it names any.
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

    /// The VPC, if the Secret names one.
    pub(in crate::plan::instance) fn vpc(&self) -> Result<Option<&str>, Problem> {
        id(self.vpc_id.as_ref(), "vpcId in the credentials Secret: write the ID of a VPC, 36 characters")
    }

    /// The subnet, if the Secret names one.
    pub(in crate::plan::instance) fn subnet(&self) -> Result<Option<&str>, Problem> {
        let message = "subnetId in the credentials Secret: write the network ID of a subnet, 36 characters";
        id(self.subnet_id.as_ref(), message)
    }
}

fn id<'a>(text: Option<&'a String>, message: &str) -> Result<Option<&'a str>, Problem> {
    let id = word(text);
    if id.is_none_or(is_uuid) { Ok(id) } else { Err(problem(message)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";

    #[test]
    fn read_with_care() {
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
    fn nonsense_is_not_repeated() {
        let nonsense = || Some("canary, Pass-w0rd".to_owned());
        let defaults = Defaults {
            vpc_id: nonsense(),
            subnet_id: nonsense(),
            availability_zones: nonsense().map(|text| vec![text]),
            cpu_type: nonsense(),
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
