//! Node placement and address assignment.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    api_error::Result,
    ids::Ids,
    instance::{Instance, Layout, Node, Shape, Transition},
    network::Networks,
};

/// Nodes for a shape. Nodes in `kept` stay in their shards; new nodes are distributed over `zones`.
pub(super) fn place_nodes(ids: &mut Ids, shape: &Shape, kept: &[Node], zones: &[String]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for shard in 0..shape.shards {
        let staying: Vec<_> = kept.iter().filter(|node| node.shard == shard).cloned().collect();
        let staying_count = staying.len();
        nodes.extend(staying.into_iter().take(shape.replicas as usize));
        for (n, copy) in (staying_count..shape.replicas as usize).enumerate() {
            let zone = zones.iter().cycle().nth(n).cloned().unwrap_or_default();
            nodes.push(Node { id: ids.hex(), shard, master: copy == 0, zone, ip: None });
        }
    }
    nodes
}

/// Assigns addresses to new nodes or to the proxies. Allocates all addresses or none.
pub(super) fn assign_addresses(
    networks: &mut Networks,
    subnet_id: &str,
    shape: Shape,
    mut nodes: Vec<Node>,
    proxy_address: Option<Ipv4Addr>,
) -> Result<Layout> {
    if shape.is_proxied() {
        // The address known to clients is kept: the master's address moves to the proxies.
        let known = proxy_address.or_else(|| nodes.iter().find(|node| node.master).and_then(|node| node.ip));
        let proxy_address = match known {
            Some(address) => address,
            None => networks.take(subnet_id, 1)?.into_iter().next().unwrap_or(Ipv4Addr::UNSPECIFIED),
        };
        nodes.iter_mut().for_each(|node| node.ip = None);
        return Ok(Layout { shape, nodes, proxy_address: Some(proxy_address) });
    }
    let missing = nodes.iter().filter(|node| node.ip.is_none()).count();
    let fresh = networks.take(subnet_id, missing.saturating_sub(usize::from(proxy_address.is_some())))?;
    let mut addresses = proxy_address.into_iter().chain(fresh);
    for node in nodes.iter_mut().filter(|node| node.ip.is_none()) {
        node.ip = addresses.next();
    }
    Ok(Layout { shape, nodes, proxy_address: None })
}

/// All addresses of an instance, including those reserved for a pending or scheduled resize.
pub(super) fn held_addresses(instance: &Instance) -> BTreeSet<Ipv4Addr> {
    let pending = instance.pending.as_ref().and_then(|pending| match &pending.transition {
        Transition::Resize(layout) => Some(layout),
        Transition::Create
        | Transition::FailToCreate
        | Transition::Configure { .. }
        | Transition::Restart
        | Transition::Password
        | Transition::Backup(_)
        | Transition::Restore(_)
        | Transition::Delete => None,
    });
    let scheduled = instance.scheduled.as_ref().map(|scheduled| &scheduled.layout);
    let planned = [pending, scheduled].into_iter().flatten();
    let mut held = addresses(&instance.nodes, instance.proxy_address);
    planned.for_each(|layout| held.extend(addresses(&layout.nodes, layout.proxy_address)));
    held
}

fn addresses(nodes: &[Node], proxy_address: Option<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
    nodes.iter().filter_map(|node| node.ip).chain(proxy_address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dcs::model::Capacity, simulator::service::catalogue};

    fn shape(name: &str, gib: u32) -> Shape {
        let flavor = catalogue::find(name).expect(name);
        Shape::new(flavor, flavor.size(Capacity::from_mib(gib * 1024)).expect(name))
    }

    fn networks() -> Networks {
        let mut networks = Networks::default();
        networks.register_subnet("v", "s");
        networks
    }

    fn zones(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    #[test]
    fn a_cluster_has_a_master_in_each_shard() {
        let mut ids = Ids::new(1);
        let shape = shape("redis.cluster.xu1.large.r2.24", 24);
        let nodes = place_nodes(&mut ids, &shape, &[], &zones(&["a", "b"]));
        let summary: Vec<_> =
            nodes.iter().map(|node| (node.shard, node.master, node.zone.as_str())).collect();
        let shard = |n| [(n, true, "a"), (n, false, "b")];
        assert_eq!(summary, [shard(0), shard(1), shard(2)].concat());
        let layout = assign_addresses(&mut networks(), "s", shape, nodes, None).unwrap();
        assert_eq!(addresses(&layout.nodes, layout.proxy_address).len(), 6);
    }

    #[test]
    fn new_replicas_use_the_given_zones_and_old_nodes_stay() {
        let (mut ids, mut networks) = (Ids::new(1), networks());
        let (two, three) = (shape("redis.ha.xu1.large.r2.4", 4), shape("redis.ha.xu1.large.r3.4", 4));
        let nodes = place_nodes(&mut ids, &two, &[], &zones(&["a", "b"]));
        let before = assign_addresses(&mut networks, "s", two, nodes, None).unwrap();
        let nodes = place_nodes(&mut ids, &three, &before.nodes, &zones(&["c"]));
        let after = assign_addresses(&mut networks, "s", three, nodes, None).unwrap();
        assert_eq!(after.nodes[..2], before.nodes);
        assert_eq!((after.nodes[2].zone.as_str(), after.nodes[2].master), ("c", false));
        assert_eq!(addresses(&after.nodes, None).len(), 3);
    }

    #[test]
    fn the_client_address_survives_a_mode_change() {
        let (mut ids, mut networks) = (Ids::new(1), networks());
        let ha = shape("redis.ha.xu1.large.r2.4", 4);
        let nodes = place_nodes(&mut ids, &ha, &[], &zones(&["a"]));
        let before = assign_addresses(&mut networks, "s", ha.clone(), nodes, None).unwrap();
        let known = before.nodes[0].ip;
        let proxy = shape("redis.proxy.xu1.large.4", 4);
        let nodes = place_nodes(&mut ids, &proxy, &before.nodes, &zones(&["a"]));
        let proxied = assign_addresses(&mut networks, "s", proxy, nodes, None).unwrap();
        assert_eq!((proxied.proxy_address, proxied.nodes.len()), (known, 6));
        let nodes = place_nodes(&mut ids, &ha, &proxied.nodes, &zones(&["a"]));
        let back = assign_addresses(&mut networks, "s", ha, nodes, proxied.proxy_address).unwrap();
        assert_eq!((back.proxy_address, back.nodes[0].ip, back.nodes.len()), (None, known, 2));
    }
}
