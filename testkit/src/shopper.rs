//! A client of the cluster that does what a shop's client library does: it remembers where slots
//! are, follows MOVED and ASK, waits at TRYAGAIN, and repeats a call whose answer got lost. It
//! counts what it met.

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::ops::AddAssign;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::encode;
use crate::cluster::{slot_of, SLOTS};
use crate::{Client, Value};

/// How long one call may take with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long one answer may take before the call is repeated elsewhere.
const ANSWER: Duration = Duration::from_millis(700);

/// What the cluster answered instead of the call's own answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Met {
    pub moved: u64,
    pub ask: u64,
    pub tryagain: u64,
    /// The connection broke or no answer came: nobody knows whether the call was done.
    pub lost: u64,
    /// The node could not serve.
    pub down: u64,
}

impl AddAssign for Met {
    fn add_assign(&mut self, other: Met) {
        self.moved += other.moved;
        self.ask += other.ask;
        self.tryagain += other.tryagain;
        self.lost += other.lost;
        self.down += other.down;
    }
}

pub struct Shopper {
    seeds: Vec<u16>,
    owners: Vec<u16>,
    connections: HashMap<u16, Client>,
    last: u16,
    pub met: Met,
}

impl Shopper {
    pub fn new(seeds: Vec<u16>) -> Shopper {
        let mut shopper =
            Shopper { seeds, owners: vec![0; SLOTS], connections: HashMap::new(), last: 0, met: Met::default() };
        shopper.look_around();
        shopper
    }

    /// Asks the first node that answers where the slots are.
    fn look_around(&mut self) {
        let mut ports = self.seeds.clone();
        ports.rotate_left((self.met.lost + self.met.down) as usize % self.seeds.len());
        for port in ports {
            let Some(Ok(answer @ Value::Array(_))) = self.connection(port).map(|c| c.try_call(&["CLUSTER", "SLOTS"]))
            else {
                self.connections.remove(&port);
                continue;
            };
            for range in answer.items() {
                let range = range.items();
                let port = range[2].items()[1].int() as u16;
                self.owners[range[0].int() as usize..=range[1].int() as usize].fill(port);
            }
            return;
        }
    }

    fn connection(&mut self, port: u16) -> Option<&mut Client> {
        Some(match self.connections.entry(port) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let client = Client::tcp(port).ok()?;
                client.set_patience(ANSWER);
                place.insert(client)
            }
        })
    }

    /// One attempt at one node.
    fn attempt(&mut self, port: u16, asking: bool, args: &[Vec<u8>]) -> Option<Value> {
        let client = self.connection(port)?;
        let mut wire = if asking { encode(&["ASKING"]) } else { Vec::new() };
        wire.extend(encode(args));
        client.try_send(&wire).ok()?;
        if asking {
            client.try_read().ok()?;
        }
        client.try_read().ok()
    }

    /// Calls until there is an answer that is the module's own. The key decides about the slot.
    #[track_caller]
    pub fn call(&mut self, key: &str, args: &[Vec<u8>]) -> Value {
        let slot = usize::from(slot_of(key.as_bytes()));
        let start = Instant::now();
        let (mut port, mut asking) = (self.owners[slot], false);
        loop {
            assert!(start.elapsed() < PATIENCE, "no answer in time; met {:?}", self.met);
            let Some(answer) = self.attempt(port, asking, args) else {
                self.met.lost += 1;
                self.connections.remove(&port);
                sleep(Duration::from_millis(20));
                self.look_around();
                (port, asking) = (self.owners[slot], false);
                continue;
            };
            self.last = port;
            let Value::Error(error) = &answer else {
                return answer;
            };
            let text = String::from_utf8_lossy(error).into_owned();
            let target = || text.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
            (port, asking) = match text.split(' ').next() {
                Some("MOVED") => {
                    self.met.moved += 1;
                    self.owners[slot] = target();
                    (target(), false)
                }
                Some("ASK") => {
                    self.met.ask += 1;
                    (target(), true)
                }
                Some("TRYAGAIN") => {
                    self.met.tryagain += 1;
                    sleep(Duration::from_millis(5));
                    (self.owners[slot], false)
                }
                Some("CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY") => {
                    self.met.down += 1;
                    sleep(Duration::from_millis(20));
                    self.look_around();
                    (self.owners[slot], false)
                }
                _ => return answer,
            };
        }
    }

    /// Calls with words that have no blanks.
    #[track_caller]
    pub fn say(&mut self, key: &str, line: &str) -> Value {
        let args: Vec<Vec<u8>> = line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        self.call(key, &args)
    }

    /// Whether the replica has what this connection last wrote.
    pub fn replicated(&mut self) -> bool {
        let port = self.last;
        let answer = self.connection(port).map(|c| c.try_call(&["WAIT", "1", "100"]));
        match answer {
            Some(Ok(Value::Int(n))) => n >= 1,
            _ => {
                self.connections.remove(&port);
                false
            }
        }
    }
}
