//! A cluster of four primaries, and what happens to them during a sale.

use rand::rngs::SmallRng;
use rand::Rng;

use super::sale::Sale;
use testkit::cluster::{slot_of, Cluster};
use testkit::{info, wait_until};

pub const PRIMARIES: usize = 4;
/// After so long a silent primary is given up.
const TIMEOUT_MS: u64 = 2_500;

/// What happens to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The replica of a bucket's primary takes over by CLUSTER FAILOVER: nothing is lost.
    HandOver,
    /// The primary of a bucket is killed, and its replica takes over by itself, sometimes without
    /// the last calls.
    Die,
    /// The primary of a bucket is killed and started again before it is given up: nothing is lost.
    Restart,
    /// The slot of a bucket goes to another primary.
    Move,
}

pub const ALL: [Trouble; 4] = [Trouble::HandOver, Trouble::Die, Trouble::Restart, Trouble::Move];

/// The servers.
pub struct Site {
    pub cluster: Cluster,
}

impl Site {
    pub fn open() -> Site {
        let site = Site { cluster: Cluster::of(PRIMARIES, TIMEOUT_MS) };
        (0..site.cluster.nodes.len()).for_each(|node| site.configure(node));
        site
    }

    /// What was answered is in the kernel's hands, so that kill -9 loses none of it: with
    /// `everysec` a server puts off its writes while the disk is busy. And it tells of keyspace
    /// events.
    fn configure(&self, node: usize) {
        self.cluster.client(node).expect("CONFIG SET appendfsync no notify-keyspace-events Ed", "OK");
    }

    fn is_primary(&self, node: usize) -> bool {
        info(&mut self.cluster.client(node), "replication")["role"] == "master"
    }

    /// The nodes that are primaries.
    pub fn primaries(&self) -> Vec<usize> {
        (0..self.cluster.nodes.len()).filter(|&node| self.is_primary(node)).collect()
    }

    /// One interruption at a bucket's primary; whether it can have lost what was acknowledged.
    pub fn make(
        &mut self,
        trouble: Trouble,
        sale: &Sale,
        bucket: usize,
        rng: &mut SmallRng,
        some_orders: impl Fn(),
    ) -> bool {
        let key = &sale.keys[bucket];
        let from = self.cluster.owner(key);
        let to = self.cluster.other_of(from);
        let mut expected = self.primaries();
        match trouble {
            Trouble::HandOver => self.cluster.hand_over(to),
            Trouble::Die => self.die(from, to, rng.random_bool(0.5), &some_orders),
            Trouble::Restart => {
                self.cluster.nodes[from].kill();
                self.start_again(from);
            }
            Trouble::Move => {
                let others: Vec<usize> = expected.iter().copied().filter(|&node| node != from).collect();
                self.move_slot(slot_of(key.as_bytes()), from, others[rng.random_range(0..others.len())], &some_orders);
            }
        }
        self.wait_until_well(sale);
        if matches!(trouble, Trouble::HandOver | Trouble::Die) {
            expected.retain(|&node| node != from);
            expected.push(to);
            expected.sort_unstable();
        }
        // On a slow machine a primary that starts again, or any other, is given up, too.
        trouble == Trouble::Die || self.primaries() != expected
    }

    fn start_again(&mut self, node: usize) {
        self.cluster.nodes[node].start_again();
        self.configure(node);
    }

    fn die(&mut self, from: usize, to: usize, is_cut_off: bool, some_orders: &impl Fn()) {
        if is_cut_off {
            // Calls are acknowledged that no replica has.
            self.cluster.nodes[to].freeze();
            self.cluster.client(from).say("CLIENT KILL TYPE replica");
            some_orders();
        }
        self.cluster.nodes[from].kill();
        if is_cut_off {
            self.cluster.nodes[to].thaw();
        }
        self.cluster.promoted(to);
        self.start_again(from);
    }

    /// Moves a slot with all its keys while orders run.
    fn move_slot(&self, slot: u16, from: usize, to: usize, some_orders: &impl Fn()) {
        self.cluster.open_slot(slot, from, to);
        some_orders();
        let mut source = self.cluster.client(from);
        let keys = source.say(&format!("CLUSTER GETKEYSINSLOT {slot} 1000"));
        for key in keys.items() {
            self.cluster.move_key(&key.text(), from, to);
        }
        some_orders();
        let others = self.primaries().into_iter().filter(|&node| node != to);
        for node in std::iter::once(to).chain(others) {
            let done = self.cluster.client(node).say(&format!("CLUSTER SETSLOT {slot} NODE {}", self.cluster.ids[to]));
            assert_eq!(done.to_string(), "OK", "SETSLOT at {node}");
        }
    }

    /// Every node knows all the others as well and who has which bucket, and each replica follows
    /// its primary.
    fn wait_until_well(&self, sale: &Sale) {
        let nodes: Vec<usize> = (0..self.cluster.nodes.len()).collect();
        for &node in &nodes {
            let mut client = self.cluster.client(node);
            wait_until("the cluster is well", || {
                let is_well = client.say("CLUSTER INFO").text().contains("cluster_state:ok");
                let fields = info(&mut client, "replication");
                let follows = fields.get("master_link_status").is_none_or(|status| status == "up");
                let other = &self.cluster.ids[self.cluster.other_of(node)];
                let is_known = client
                    .say("CLUSTER NODES")
                    .text()
                    .lines()
                    .all(|line| !line.starts_with(other.as_str()) || !line.contains("fail"));
                is_well && follows && is_known
            });
        }
        wait_until("each primary has its replica", || {
            let primaries = self.primaries();
            let is_followed = |&node: &usize| {
                let fields = info(&mut self.cluster.client(node), "replication");
                fields.get("slave0").is_some_and(|line| line.contains("state=online"))
            };
            primaries.len() == PRIMARIES && primaries.iter().all(is_followed)
        });
        for key in &sale.keys {
            let slot = slot_of(key.as_bytes());
            wait_until("all agree who has the bucket", || {
                let owner = self.cluster.owner_seen_by(0, slot);
                owner.is_some_and(|owner| self.is_primary(owner))
                    && nodes.iter().all(|&node| self.cluster.owner_seen_by(node, slot) == owner)
            });
        }
    }
}
