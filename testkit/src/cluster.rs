//! Starts a cluster and moves its slots.

// The tests of the clients use a part of this.
#![allow(dead_code)]

use std::ops::RangeInclusive;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::calls::info;
use crate::client::Client;
use crate::server::{free_port, Server};
use crate::wait::{poll, wait_until};
use crate::Value;

pub const PRIMARIES: usize = 3;
pub const SLOTS: usize = 16384;

/// Three primaries (0, 1, 2) and the replica of each (3, 4, 5).
pub struct Cluster {
    pub nodes: Vec<Server>,
    pub ids: Vec<String>,
}

impl Cluster {
    /// A cluster in which no node is given up, however slow the machine.
    pub fn steady() -> Cluster {
        Cluster::start(60_000)
    }

    /// The same, whose nodes have these arguments, too.
    pub fn steady_with(args: &[&str]) -> Cluster {
        Cluster::launch(PRIMARIES, 60_000, args)
    }

    /// A cluster that gives a silent primary up after `node_timeout_ms`.
    pub fn start(node_timeout_ms: u64) -> Cluster {
        Cluster::launch(PRIMARIES, node_timeout_ms, &[])
    }

    /// One of so many primaries; the replica of each stands as far behind it.
    pub fn of(primaries: usize, node_timeout_ms: u64) -> Cluster {
        Cluster::launch(primaries, node_timeout_ms, &[])
    }

    fn launch(primaries: usize, node_timeout_ms: u64, more: &[&str]) -> Cluster {
        let timeout = node_timeout_ms.to_string();
        let nodes: Vec<Server> = (0..2 * primaries)
            .map(|_| {
                let bus = free_port().to_string();
                let args = [
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &bus,
                    "--cluster-node-timeout",
                    &timeout,
                    "--cluster-replica-validity-factor",
                    "0",
                    "--repl-ping-replica-period",
                    "1",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "everysec",
                ];
                Server::on_port(&[more, &args].concat())
            })
            .collect();
        let ids = nodes.iter().map(|node| node.client().say("CLUSTER MYID").text()).collect();
        let cluster = Cluster { nodes, ids };
        cluster.introduce();
        cluster
    }

    /// How many primaries it was started with.
    pub fn primaries(&self) -> usize {
        self.nodes.len() / 2
    }

    /// The node that was started as the other one of a pair, a primary and its replica.
    pub fn other_of(&self, node: usize) -> usize {
        (node + self.primaries()) % self.nodes.len()
    }

    /// Makes the nodes known to each other, hands out the slots, and gives each primary its
    /// replica.
    fn introduce(&self) {
        for (n, node) in self.nodes.iter().enumerate() {
            node.client().expect(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1), "OK");
        }
        for (n, node) in self.nodes.iter().enumerate() {
            let mut client = node.client();
            for other in &self.nodes[n + 1..] {
                let bus = other.client().say("CONFIG GET cluster-port").field("cluster-port").text();
                client.expect(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port()), "OK");
            }
        }
        let count = self.primaries();
        for (n, node) in self.nodes[..count].iter().enumerate() {
            let slots = share_of(n, count);
            node.client().expect(&format!("CLUSTER ADDSLOTSRANGE {} {}", slots.start(), slots.end()), "OK");
        }
        for node in &self.nodes {
            let mut client = node.client();
            wait_until("each node knows the others and is well", || {
                let text = client.say("CLUSTER INFO").text();
                let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
                let size = format!("cluster_size:{count}\r\n");
                text.contains("cluster_state:ok") && text.contains(&known) && text.contains(&size)
            });
        }
        for n in count..self.nodes.len() {
            let mut client = self.nodes[n].client();
            wait_until("the primary is known", || {
                !client.say(&format!("CLUSTER REPLICATE {}", self.ids[n - count])).is_error()
            });
        }
        for n in count..self.nodes.len() {
            self.nodes[n].wait_for_link();
        }
        // A primary counts its replicas before a failover or a WAIT can work.
        for primary in &self.nodes[..count] {
            let mut client = primary.client();
            wait_until("the replica is online", || {
                info(&mut client, "replication").get("slave0").is_some_and(|line| line.contains("state=online"))
            });
        }
    }

    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(Server::port).collect()
    }

    /// A connection to the node, over its port as a client of the cluster has it.
    #[track_caller]
    pub fn client(&self, node: usize) -> Client {
        self.nodes[node].client()
    }

    /// Which node a running member says owns the slot; none where it knows of nobody, as for a
    /// moment while primaries change.
    pub fn owner_seen_by(&self, witness: usize, slot: u16) -> Option<usize> {
        let port = port_of(&self.client(witness).say("CLUSTER SLOTS"), slot)?;
        Some(self.nodes.iter().position(|node| i64::from(node.port()) == port).expect("one of ours"))
    }

    /// Which node a running member says owns the slot.
    #[track_caller]
    pub fn owner_by(&self, witness: usize, slot: u16) -> usize {
        self.owner_seen_by(witness, slot).expect("the slot is served")
    }

    pub fn owner(&self, key: &str) -> usize {
        self.owner_by(0, slot_of(key.as_bytes()))
    }

    /// Opens a slot at both ends: keys may go from one primary to another.
    pub fn open_slot(&self, slot: u16, from: usize, to: usize) {
        self.client(to).expect(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", self.ids[from]), "OK");
        self.client(from).expect(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", self.ids[to]), "OK");
    }

    /// Moves one key of an open slot.
    pub fn move_key(&self, key: &str, from: usize, to: usize) {
        let port = self.nodes[to].port();
        self.client(from).expect(&format!("MIGRATE 127.0.0.1 {port} {key} 0 10000"), "OK");
    }

    /// Ends the move: the new owner first, so that the slot always has one.
    pub fn close_slot(&self, slot: u16, to: usize) {
        let others = (0..PRIMARIES).filter(|&n| n != to);
        for node in std::iter::once(to).chain(others) {
            self.client(node).expect(&format!("CLUSTER SETSLOT {slot} NODE {}", self.ids[to]), "OK");
        }
    }

    /// Waits until the nodes of `witnesses` agree that `node` owns the slot.
    pub fn agree(&self, witnesses: &[usize], slot: u16, node: usize) {
        wait_until("the cluster agrees on the owner", || {
            witnesses.iter().all(|&witness| self.owner_seen_by(witness, slot) == Some(node))
        });
    }

    /// Makes a replica the primary with `CLUSTER FAILOVER`, which is given up by itself after 5 s
    /// where it did not work.
    pub fn hand_over(&self, to: usize) {
        let mut client = self.client(to);
        for _ in 0..5 {
            client.say("CLUSTER FAILOVER");
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(6) {
                if info(&mut client, "replication")["role"] == "master" {
                    return self.promoted(to);
                }
                sleep(Duration::from_millis(20));
            }
        }
        panic!("the replica did not take over");
    }

    /// Waits until `node` is a primary and says that all is well.
    pub fn promoted(&self, node: usize) {
        let mut client = self.client(node);
        poll("the replica takes over", || {
            let role = info(&mut client, "replication").get("role").cloned()?;
            let well = client.say("CLUSTER INFO").text().contains("cluster_state:ok");
            (role == "master" && well).then_some(())
        });
    }
}

/// The port of the primary that has the slot, by an answer to CLUSTER SLOTS.
fn port_of(answer: &Value, slot: u16) -> Option<i64> {
    let has_it = |range: &&Value| (range.items()[0].int()..=range.items()[1].int()).contains(&i64::from(slot));
    answer.items().iter().find(has_it).map(|range| range.items()[2].items()[1].int())
}

/// The slots of a primary at the start.
pub fn share(primary: usize) -> RangeInclusive<usize> {
    share_of(primary, PRIMARIES)
}

/// The slots of one of so many primaries at the start.
pub fn share_of(primary: usize, primaries: usize) -> RangeInclusive<usize> {
    let size = SLOTS.div_ceil(primaries);
    primary * size..=((primary + 1) * size - 1).min(SLOTS - 1)
}

/// A hash tag whose slot is in the share of that primary: `t17`.
pub fn tag_of(primary: usize) -> String {
    tags_of(primary).next().expect("a tag")
}

pub fn tags_of(primary: usize) -> impl Iterator<Item = String> {
    tags_within(share(primary))
}

/// Hash tags whose slots are among these.
pub fn tags_within(slots: RangeInclusive<usize>) -> impl Iterator<Item = String> {
    (0..).map(|n| format!("t{n}")).filter(move |tag| slots.contains(&slot_of(tag.as_bytes()).into()))
}

/// The slot of a key, by the rule of the cluster specification: CRC16 (XMODEM) of the hash tag.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&b| b == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|&b| b == b'}').filter(|&len| len > 0).map(|len| &rest[..len])
    });
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, &byte| {
        (0..8).fold(
            crc ^ (u16::from(byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 {
                    crc << 1
                } else {
                    (crc << 1) ^ 0x1021
                }
            },
        )
    });
    crc % SLOTS as u16
}

#[test]
fn a_slot_that_nobody_has_is_no_error() {
    let node = |port| Value::Array(vec![Value::Bulk(b"127.0.0.1".to_vec()), Value::Int(port)]);
    let range = |first, last, port| Value::Array(vec![Value::Int(first), Value::Int(last), node(port)]);
    let answer = Value::Array(vec![range(0, 8, 7000), range(10, 16383, 7001)]);
    assert_eq!([8, 9, 10].map(|slot| port_of(&answer, slot)), [Some(7000), None, Some(7001)]);
}

#[test]
fn slots_are_those_of_the_specification() {
    assert_eq!(slot_of(b"123456789"), 0x31C3);
    assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
    assert_eq!(slot_of(b"foo{}{bar}"), slot_of(b"foo{}{bar}"));
    assert_ne!(slot_of(b"foo{}{bar}"), slot_of(b"bar"));
}
