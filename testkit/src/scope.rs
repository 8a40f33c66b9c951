//! Every sequence of calls up to a length, over two orders, two dimensions, boundary quantities and
//! boundary times: nothing is left to chance, and every answer is that of the reference.

use redis_stock::command::host::Origin;
use redis_stock::core::verify::verify;

use crate::generate::START_MS;
use crate::host::Host;
use crate::reference::{Config, Reference};
use crate::reply::same_for;

/// One letter: the clock moves, then the call runs.
type Letter = (i64, &'static str);

/// What sequences are made of. The first `SMALL` alone are the alphabet of long sequences.
pub const LETTERS: [Letter; 24] = [
    (0, "STOCK.RESERVE k a 2 PX 10 FOR user u region r"),
    (0, "STOCK.RESERVE k b 2 PX 10 FOR user u region s"),
    (9, "STOCK.CONFIRM k a"),
    (1, "STOCK.CONFIRM k a LATE"),
    (10, "STOCK.RELEASE k a"),
    (0, "STOCK.AMEND k a 3"),
    (0, "STOCK.RETURN k a QTY 1 TOKEN t"),
    (0, "STOCK.RETURN k b"),
    (0, "STOCK.CONFIRM k b"),
    (11, "STOCK.SWEEP k"),
    (0, "STOCK.RELEASE k b"),
    (0, "STOCK.AMEND k b 1"),
    (0, "STOCK.CONFIRM k b QTY 1 LATE SINCE 1767225590000 FOR user u region s"),
    (990, "STOCK.GET k"),
    (0, "STOCK.RESERVE k a 9007199254740991 FOR user u region r"),
    (0, "STOCK.RESERVE k b 3 PARTIAL PX 1 FOR user v region r"),
    (0, "STOCK.EXTEND k a PX 11"),
    (0, "STOCK.ADD k 1"),
    (0, "STOCK.ADD k -1"),
    (0, "STOCK.SET k 0"),
    (61_000, "STOCK.SWEEP k"),
    (0, "STOCK.RETURN k a KEEPUSAGE NORESTOCK"),
    (0, "STOCK.LIMIT k region 1 COUNT ORDERS"),
    (0, "STOCK.SUSPEND k"),
];

pub const SMALL: usize = 14;

/// What was walked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Sequences, each as long as was asked for or a beginning of one.
    pub sequences: u64,
    /// Those whose last call changed the state.
    pub changes: u64,
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

struct Place {
    now_ms: i64,
    host: Host,
    replica: Host,
    reference: Reference,
}

impl Place {
    fn call(&mut self, argv: &[Vec<u8>]) -> Result<bool, String> {
        let before = self.reference.changes();
        let expected = self.reference.call(self.now_ms, argv);
        let (answer, effects) = self.host.call(self.now_ms, Origin::Client, argv);
        if !same_for(&argv[0], &expected, &answer) {
            return Err(format!("reference {expected:?}\n   answer {answer:?}"));
        }
        for effect in effects {
            self.replica.call(0, Origin::Replication, &effect);
        }
        let lines = verify(self.host.pool(b"k"));
        if !lines.is_empty() {
            return Err(lines.join("\n"));
        }
        Ok(self.reference.changes() != before)
    }

    fn twin(&self) -> Place {
        Place {
            now_ms: self.now_ms,
            host: self.host.twin(),
            replica: self.replica.twin(),
            reference: self.reference.clone(),
        }
    }
}

/// Walks all sequences up to this length over the first `letters` letters whose first letter is
/// among `firsts`.
pub fn walk(letters: usize, length: usize, firsts: std::ops::Range<usize>) -> Counts {
    let mut place = Place {
        now_ms: START_MS,
        host: Host::new(1),
        replica: Host::new(2),
        reference: Reference::new(Config::default()),
    };
    for line in [
        "STOCK.SET k 3",
        "STOCK.LIMIT k user 3 PER 1",
        "STOCK.LIMIT k region+user 2 COUNT ORDERS",
        "STOCK.SETPOLICY k {\"hold\":1,\"retain\":1,\"retain_paid\":2,\"limits\":[{\"by\":[\"user\"],\"max\":3,\"per\":1},{\"by\":[\"region\",\"user\"],\"max\":2,\"count\":\"orders\"}]}",
    ] {
        place.call(&words(line)).expect("the pool is made");
    }
    let alphabet: Vec<(i64, Vec<Vec<u8>>)> = LETTERS[..letters].iter().map(|(ms, line)| (*ms, words(line))).collect();
    let mut counts = Counts::default();
    descend(&place, &alphabet, length, firsts, &mut Vec::new(), &mut counts);
    counts
}

fn descend(
    place: &Place,
    alphabet: &[(i64, Vec<Vec<u8>>)],
    left: usize,
    which: std::ops::Range<usize>,
    path: &mut Vec<usize>,
    counts: &mut Counts,
) {
    for at in which {
        let (advance_ms, argv) = &alphabet[at];
        path.push(at);
        let mut next = place.twin();
        next.now_ms += advance_ms;
        let called = next.call(argv);
        let changed = called.unwrap_or_else(|wrong| {
            let lines: Vec<_> = path.iter().map(|&at| format!("+{} ms {}", LETTERS[at].0, LETTERS[at].1)).collect();
            panic!("{wrong}\nafter\n  {}", lines.join("\n  "))
        });
        counts.sequences += 1;
        counts.changes += u64::from(changed);
        if left > 1 {
            descend(&next, alphabet, left - 1, 0..alphabet.len(), path, counts);
        } else {
            assert_eq!(next.host.state(), next.replica.state(), "primary and replica differ after {path:?}");
        }
        path.pop();
    }
}
