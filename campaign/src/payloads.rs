//! Damaged DUMP payloads at a real server, with its checksum test off: half of them damaged
//! blindly, half with a plan. Each that is accepted is worked on and verified.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, share, Ledger, Row};
use crate::rounds::{version, Bounds};
use testkit::client::encode;
use testkit::payload::{damage, parse, scramble, write};
use testkit::targets;
use testkit::{Client, Server, Value};

const NAME: &str = "damaged RESTORE";

/// Payloads, for each seed.
const PER_SEED: usize = 1_000;
const BATCH: usize = 200;

/// What an accepted pool goes through; then it is verified.
const WORK: [&str; 9] = [
    "STOCK.RESUME",
    "STOCK.RESERVE KEY fresh 1 PX 50 FOR user u1 region r1 store s1 group g1",
    "STOCK.CONFIRM KEY fresh",
    "STOCK.RESERVE KEY second 1 PX 50 FOR user u2 region r1 store s1 group g1",
    "STOCK.RELEASE KEY second",
    "STOCK.SWEEP KEY COUNT 1000",
    "STOCK.GET KEY",
    "DUMP KEY",
    "STOCK.VERIFY KEY",
];

#[derive(Default)]
struct Counts {
    blind: u64,
    planned: u64,
    blind_accepted: u64,
    planned_accepted: u64,
    /// Planned ones that were accepted, or refused for something behind the header.
    past_header: u64,
}

/// How much went wrong.
pub fn run(bounds: &Bounds, ledger: &Ledger) -> u64 {
    let mut seeds = bounds.seeds(NAME, 20, ledger);
    let (mut server, mut client) = Server::with(&["--rdbcompression", "no", "--loglevel", "warning"]).with_client();
    let version = version(&mut client);
    client.expect("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK");
    client.pause_background();
    let envelope = Envelope::learn(&mut client);
    let corpus = targets::pools(1..60);
    let (mut counts, mut found) = (Counts::default(), 0);
    for seed in seeds.by_ref() {
        if let Err(wrong) = throw(seed, &mut client, &envelope, &corpus, &mut counts) {
            found += 1;
            eprintln!("{wrong}\nto repeat: make campaign NAME=payloads ARGS='--seed {seed} --seeds 1'");
            if !server.is_running() || found >= 10 {
                eprintln!("{}", server.log().lines().rev().take(60).collect::<Vec<_>>().join("\n"));
                break;
            }
            client = server.client();
            client.expect("FLUSHALL", "OK");
        }
        // The log has a line for each refusal: it must not fill the disk.
        let _ = std::fs::OpenOptions::new().write(true).open(server.dir().join("log")).and_then(|log| log.set_len(0));
    }
    let reaches = counts.past_header * 5 >= counts.planned && counts.planned_accepted * 20 >= counts.planned;
    if counts.planned == 0 || !reaches {
        eprintln!("the damage is too coarse to get anywhere: the campaign proves nothing");
        found += 1;
    }
    let all = counts.blind + counts.planned;
    let text = format!(
        "{} payloads, half with a plan: {} of these past the header, {} accepted (of the blind ones {}); all accepted were worked on and verified",
        grouped(all),
        share(counts.past_header, counts.planned),
        share(counts.planned_accepted, counts.planned),
        share(counts.blind_accepted, counts.blind),
    );
    ledger.write(&Row { campaign: NAME, server: version, seeds: seeds.ran(), counts: text, found });
    found
}

/// What the server puts around the encoding of a pool.
struct Envelope {
    head: Vec<u8>,
    version: [u8; 2],
}

impl Envelope {
    fn learn(client: &mut Client) -> Envelope {
        client.expect("STOCK.SET learn 1", "OK");
        let Value::Bulk(dump) = client.call(&["DUMP", "learn"]) else { panic!("DUMP answers a string") };
        client.expect("DEL learn", "1");
        // Type, then a 64-bit number of the module.
        let head = dump[..10].to_vec();
        let version = [dump[dump.len() - 10], dump[dump.len() - 9]];
        Envelope { head, version }
    }

    fn wrap(&self, pool: &[u8], chunk: usize) -> Vec<u8> {
        let mut out = self.head.clone();
        for piece in pool.chunks(chunk.max(1)) {
            // A number that is 1, then a string.
            out.extend([2, 1, 5]);
            length(&mut out, piece.len());
            out.extend_from_slice(piece);
        }
        out.extend([2, 0, 0]);
        out.extend(self.version);
        // Nobody looks at the checksum.
        out.extend([0; 8]);
        out
    }
}

/// A length as RDB writes it.
fn length(out: &mut Vec<u8>, len: usize) {
    match len {
        0..64 => out.push(len as u8),
        64..16_384 => out.extend([0x40 | (len >> 8) as u8, len as u8]),
        _ => {
            out.push(0x80);
            out.extend((len as u32).to_be_bytes());
        }
    }
}

/// Whether a pool whose header is damaged is refused because of it: known by what the same header
/// does in a pool of nothing else.
fn header_is_good(bytes: &[u8]) -> bool {
    let Some(mut records) = parse(bytes) else { return true };
    if records.first().is_none_or(|record| record.kind != 1) {
        return false;
    }
    records.truncate(1);
    let mut loader = redis_stock::core::codec::Loader::new();
    loader.feed(&write(&records)).is_ok()
}

fn throw(
    seed: u64,
    client: &mut Client,
    envelope: &Envelope,
    corpus: &[Vec<u8>],
    counts: &mut Counts,
) -> Result<(), String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    for batch in 0..PER_SEED / BATCH {
        let mut wire = Vec::new();
        let mut plans = Vec::new();
        for at in 0..BATCH {
            let bytes = &corpus[rng.random_range(0..corpus.len())];
            let planned = at % 2 == 0;
            let payload = if planned {
                let mut records = parse(bytes).expect("a pool is understood");
                let others = parse(&corpus[rng.random_range(0..corpus.len())]).expect("a pool is understood");
                damage(&mut records, &others, &mut rng);
                let bytes = write(&records);
                plans.push(Some(header_is_good(&bytes)));
                envelope.wrap(&bytes, 32_768)
            } else {
                plans.push(None);
                let mut payload = envelope.wrap(bytes, 32_768);
                // Not the type of the value, its version and the checksum, which only say that it
                // is a pool.
                let tail = payload.split_off(payload.len() - 10);
                let mut inner = payload.split_off(envelope.head.len());
                scramble(&mut inner, &mut rng);
                payload.extend(inner);
                payload.extend(tail);
                payload
            };
            let key = format!("k{at}");
            wire.extend(encode(&[&b"RESTORE"[..], key.as_bytes(), b"0", &payload, b"REPLACE"]));
        }
        client.try_send(&wire).map_err(|error| format!("seed {seed}, batch {batch}: {error}"))?;
        let mut accepted = Vec::new();
        for (at, plan) in plans.iter().enumerate() {
            let answer =
                client.try_read().map_err(|error| format!("seed {seed}, batch {batch}, payload {at}: {error}"))?;
            let good = answer.to_string() == "OK";
            if good {
                accepted.push(at);
            }
            match plan {
                Some(header) => {
                    counts.planned += 1;
                    counts.planned_accepted += u64::from(good);
                    counts.past_header += u64::from(good || *header);
                }
                None => {
                    counts.blind += 1;
                    counts.blind_accepted += u64::from(good);
                }
            }
        }
        work(client, &accepted).map_err(|wrong| format!("seed {seed}, batch {batch}: {wrong}"))?;
    }
    Ok(())
}

fn work(client: &mut Client, accepted: &[usize]) -> Result<(), String> {
    for &at in accepted {
        let key = format!("k{at}");
        let mut wire = Vec::new();
        for line in WORK {
            let mut words: Vec<&str> = line.split(' ').collect();
            if words.len() == 1 {
                words.push("KEY");
            }
            let words: Vec<&str> = words.into_iter().map(|word| if word == "KEY" { &*key } else { word }).collect();
            wire.extend(encode(&words));
        }
        wire.extend(encode(&["DEL", &key]));
        client.try_send(&wire).map_err(|error| error.to_string())?;
        for line in WORK {
            let answer = client.try_read().map_err(|error| format!("payload {at}, {line}: {error}"))?;
            if line.starts_with("STOCK.VERIFY") && answer.to_string() != "OK" {
                return Err(format!("payload {at}: accepted, and VERIFY says {answer}"));
            }
        }
        client.try_read().map_err(|error| error.to_string())?;
    }
    Ok(())
}
