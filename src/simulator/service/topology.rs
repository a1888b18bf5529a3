//! Which nodes an instance has, where they are, and which addresses they take.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    ids::Ids,
    instance::{Change, Instance, Node, Reshape, Shape},
    network::Networks,
    refusal::Result,
};

/// Nodes for a shape. Those in `kept` stay, in their shards; new ones are put into `zones` in turn.
pub(super) fn lay_out(ids: &mut Ids, shape: &Shape, kept: &[Node], zones: &[String]) -> Vec<Node> {
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

/// Gives addresses to new nodes, or to the proxies before them. Nothing is taken unless all of it is free.
pub(super) fn connect(
    networks: &mut Networks,
    subnet_id: &str,
    shape: Shape,
    mut nodes: Vec<Node>,
    front: Option<Ipv4Addr>,
) -> Result<Reshape> {
    if shape.is_proxied() {
        // What clients know stays: the master's address becomes the proxies'.
        let known = front.or_else(|| nodes.iter().find(|node| node.master).and_then(|node| node.ip));
        let front = match known {
            Some(address) => address,
            None => networks.take(subnet_id, 1)?.into_iter().next().unwrap_or(Ipv4Addr::UNSPECIFIED),
        };
        nodes.iter_mut().for_each(|node| node.ip = None);
        return Ok(Reshape { shape, nodes, front: Some(front) });
    }
    let missing = nodes.iter().filter(|node| node.ip.is_none()).count();
    let fresh = networks.take(subnet_id, missing.saturating_sub(usize::from(front.is_some())))?;
    let mut addresses = front.into_iter().chain(fresh);
    for node in nodes.iter_mut().filter(|node| node.ip.is_none()) {
        node.ip = addresses.next();
    }
    Ok(Reshape { shape, nodes, front: None })
}

/// All addresses that an instance holds, those for a resize under way included.
pub(super) fn held(instance: &Instance) -> BTreeSet<Ipv4Addr> {
    let pending = instance.pending.as_ref().and_then(|pending| match &pending.change {
        Change::Reshape(reshape) => Some(reshape),
        Change::Create
        | Change::FailToCreate
        | Change::Configure { .. }
        | Change::Restart
        | Change::Password
        | Change::Delete => None,
    });
    let scheduled = instance.scheduled.as_ref().map(|scheduled| &scheduled.reshape);
    let planned = [pending, scheduled].into_iter().flatten();
    let mut held = addresses(&instance.nodes, instance.front);
    planned.for_each(|reshape| held.extend(addresses(&reshape.nodes, reshape.front)));
    held
}

fn addresses(nodes: &[Node], front: Option<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
    nodes.iter().filter_map(|node| node.ip).chain(front).collect()
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
        networks.settle("v", "s");
        networks
    }

    fn zones(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|code| (*code).to_owned()).collect()
    }

    #[test]
    fn a_cluster_has_a_master_in_each_shard() {
        let mut ids = Ids::new(1);
        let shape = shape("redis.cluster.xu1.large.r2.24", 24);
        let nodes = lay_out(&mut ids, &shape, &[], &zones(&["a", "b"]));
        let summary: Vec<_> =
            nodes.iter().map(|node| (node.shard, node.master, node.zone.as_str())).collect();
        let shard = |n| [(n, true, "a"), (n, false, "b")];
        assert_eq!(summary, [shard(0), shard(1), shard(2)].concat());
        let reshape = connect(&mut networks(), "s", shape, nodes, None).unwrap();
        assert_eq!(addresses(&reshape.nodes, reshape.front).len(), 6);
    }

    #[test]
    fn new_replicas_go_where_they_are_told_and_old_ones_stay() {
        let (mut ids, mut networks) = (Ids::new(1), networks());
        let (two, three) = (shape("redis.ha.xu1.large.r2.4", 4), shape("redis.ha.xu1.large.r3.4", 4));
        let nodes = lay_out(&mut ids, &two, &[], &zones(&["a", "b"]));
        let before = connect(&mut networks, "s", two, nodes, None).unwrap();
        let nodes = lay_out(&mut ids, &three, &before.nodes, &zones(&["c"]));
        let after = connect(&mut networks, "s", three, nodes, None).unwrap();
        assert_eq!(after.nodes[..2], before.nodes);
        assert_eq!((after.nodes[2].zone.as_str(), after.nodes[2].master), ("c", false));
        assert_eq!(addresses(&after.nodes, None).len(), 3);
    }

    #[test]
    fn the_address_clients_know_survives_a_change_of_type() {
        let (mut ids, mut networks) = (Ids::new(1), networks());
        let ha = shape("redis.ha.xu1.large.r2.4", 4);
        let nodes = lay_out(&mut ids, &ha, &[], &zones(&["a"]));
        let before = connect(&mut networks, "s", ha.clone(), nodes, None).unwrap();
        let known = before.nodes[0].ip;
        let proxy = shape("redis.proxy.xu1.large.4", 4);
        let nodes = lay_out(&mut ids, &proxy, &before.nodes, &zones(&["a"]));
        let proxied = connect(&mut networks, "s", proxy, nodes, None).unwrap();
        assert_eq!((proxied.front, proxied.nodes.len()), (known, 6));
        let nodes = lay_out(&mut ids, &ha, &proxied.nodes, &zones(&["a"]));
        let back = connect(&mut networks, "s", ha, nodes, proxied.front).unwrap();
        assert_eq!((back.front, back.nodes[0].ip, back.nodes.len()), (None, known, 2));
    }
}
