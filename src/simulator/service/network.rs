//! Subnets and address allocation.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use super::api_error::{ApiError, Result};
use crate::simulator::options;

/// Size of a subnet that is not configured.
const DEFAULT_SUBNET_SIZE: u32 = 65_000;
/// The first addresses are the network and its gateway.
const RESERVED_ADDRESSES: u32 = 2;

/// Known subnets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Networks {
    subnets: BTreeMap<String, Subnet>,
    /// Whether only the configured subnets exist.
    closed: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Subnet {
    vpc_id: String,
    base: u32,
    size: u32,
    /// Addresses in use, relative to the base.
    used: BTreeSet<u32>,
    /// Start of the search for a free address, so that a released address is not reused immediately.
    cursor: u32,
}

// === impl Networks ===

impl Networks {
    pub(super) fn new(networks: &[options::Network]) -> Self {
        let mut result = Self { subnets: BTreeMap::new(), closed: !networks.is_empty() };
        for network in networks {
            result.add(&network.subnet_id, &network.vpc_id, network.addresses);
        }
        result
    }

    /// Rejects an unknown VPC or subnet: `DCS.4068`, `DCS.4018`.
    pub(super) fn ensure_exists(&self, vpc_id: &str, subnet_id: &str) -> Result<()> {
        if self.closed && self.subnets.values().all(|subnet| subnet.vpc_id != vpc_id) {
            return Err(ApiError::new("DCS.4068"));
        }
        match self.subnets.get(subnet_id) {
            Some(subnet) if subnet.vpc_id == vpc_id => Ok(()),
            None if !self.closed => Ok(()),
            Some(_) | None => Err(ApiError::new("DCS.4018")),
        }
    }

    /// Assigns a subnet to a VPC when it is first used.
    pub(super) fn register_subnet(&mut self, vpc_id: &str, subnet_id: &str) {
        if !self.subnets.contains_key(subnet_id) {
            self.add(subnet_id, vpc_id, DEFAULT_SUBNET_SIZE);
        }
    }

    /// Rejects a request for more than the free addresses: `DCS.4911`.
    pub(super) fn ensure_free(&self, subnet_id: &str, count: usize) -> Result<()> {
        let free = self.subnets.get(subnet_id).map(Subnet::free).unwrap_or_default();
        if free < count { Err(ApiError::new("DCS.4911")) } else { Ok(()) }
    }

    /// Allocates addresses, all or none: `DCS.4911`.
    pub(super) fn take(&mut self, subnet_id: &str, count: usize) -> Result<Vec<Ipv4Addr>> {
        self.ensure_free(subnet_id, count)?;
        let subnet = self.subnets.get_mut(subnet_id);
        Ok(subnet.map(|subnet| (0..count).map(|_| subnet.take()).collect()).unwrap_or_default())
    }

    /// Allocates a specific address.
    pub(super) fn take_address(&mut self, subnet_id: &str, address: Ipv4Addr) -> Result<()> {
        let invalid = || ApiError::invalid_field("private_ip");
        let subnet = self.subnets.get_mut(subnet_id).ok_or_else(invalid)?;
        let host = u32::from(address).checked_sub(subnet.base + RESERVED_ADDRESSES).ok_or_else(invalid)?;
        if host < subnet.size && subnet.used.insert(host) { Ok(()) } else { Err(invalid()) }
    }

    /// Releases addresses.
    pub(super) fn release(&mut self, subnet_id: &str, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        let Some(subnet) = self.subnets.get_mut(subnet_id) else { return };
        for address in addresses {
            u32::from(address)
                .checked_sub(subnet.base + RESERVED_ADDRESSES)
                .map(|host| subnet.used.remove(&host));
        }
    }

    /// CIDR of a subnet, such as `10.0.0.0/16`.
    pub(super) fn cidr(&self, subnet_id: &str) -> Option<String> {
        let subnet = self.subnets.get(subnet_id)?;
        // The smallest block for the addresses, the reserved ones and the broadcast address.
        let block = (subnet.size + RESERVED_ADDRESSES + 1).next_power_of_two();
        Some(format!("{}/{}", Ipv4Addr::from(subnet.base), 32 - block.ilog2()))
    }

    /// Number of addresses in use.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.subnets.values().map(|subnet| subnet.used.len()).sum()
    }

    fn add(&mut self, subnet_id: &str, vpc_id: &str, size: u32) {
        // Subnets of different VPCs may overlap, so the second octet may repeat.
        let second = u8::try_from(self.subnets.len() % 256).unwrap_or_default();
        let subnet = Subnet {
            vpc_id: vpc_id.to_owned(),
            base: u32::from(Ipv4Addr::new(10, second, 0, 0)),
            size: size.min(DEFAULT_SUBNET_SIZE),
            used: BTreeSet::new(),
            cursor: 0,
        };
        self.subnets.insert(subnet_id.to_owned(), subnet);
    }
}

// === impl Subnet ===

impl Subnet {
    fn free(&self) -> usize {
        (self.size as usize).saturating_sub(self.used.len())
    }

    /// The next free address. The caller has checked that one is free.
    fn take(&mut self) -> Ipv4Addr {
        let free = (self.cursor..self.size).chain(0..self.cursor).find(|host| !self.used.contains(host));
        let host = free.unwrap_or_default();
        self.used.insert(host);
        self.cursor = (host + 1) % self.size.max(1);
        Ipv4Addr::from(self.base + RESERVED_ADDRESSES + host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(addresses: u32) -> Networks {
        let network = options::Network { vpc_id: "v".into(), subnet_id: "s".into(), addresses };
        Networks::new(&[network])
    }

    #[test]
    fn any_network_exists_unless_networks_are_configured() {
        let mut open = Networks::default();
        assert_eq!((open.ensure_exists("v", "s"), open.ensure_exists("w", "s")), (Ok(()), Ok(())));
        open.register_subnet("v", "s");
        assert_eq!(open.ensure_exists("v", "s"), Ok(()));
        assert_eq!(open.ensure_exists("w", "s"), Err(ApiError::new("DCS.4018")));
        assert_eq!(open.cidr("s").as_deref(), Some("10.0.0.0/16"));
        let closed = small(10);
        assert_eq!(closed.ensure_exists("v", "s"), Ok(()));
        assert_eq!(closed.ensure_exists("v", "t"), Err(ApiError::new("DCS.4018")));
        assert_eq!(closed.ensure_exists("w", "s"), Err(ApiError::new("DCS.4068")));
        assert_eq!(closed.cidr("s").as_deref(), Some("10.0.0.0/28"));
    }

    #[test]
    fn addresses_are_unique_and_exhaustible() {
        let mut networks = small(3);
        let first = networks.take("s", 2).unwrap();
        assert_eq!(first, [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)]);
        assert_eq!(networks.take("s", 2), Err(ApiError::new("DCS.4911")));
        networks.release("s", first);
        assert_eq!(networks.take("s", 3).unwrap().len(), 3);
        assert_eq!(networks.take("s", 1), Err(ApiError::new("DCS.4911")));
    }

    #[test]
    fn a_released_address_is_reused_last() {
        let mut networks = small(3);
        let first = networks.take("s", 1).unwrap();
        networks.release("s", first.clone());
        assert!(!networks.take("s", 2).unwrap().contains(&first[0]));
    }

    #[test]
    fn a_specific_address_can_be_taken_once() {
        let mut networks = small(3);
        for (address, good) in [
            ("10.0.0.2", true),
            ("10.0.0.2", false),
            ("10.0.0.1", false),
            ("10.0.0.5", false),
            ("9.9.9.9", false),
        ] {
            assert_eq!(networks.take_address("s", address.parse().unwrap()).is_ok(), good, "{address}");
        }
        assert_eq!(networks.take("s", 1).unwrap(), [Ipv4Addr::new(10, 0, 0, 3)]);
    }
}
