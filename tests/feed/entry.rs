//! One entry of a stream, as a reader takes it apart.

use testkit::Value;

/// The place of an entry in its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub ms: u64,
    pub seq: u64,
}

impl Id {
    pub fn parse(text: &str) -> Id {
        let (ms, seq) = text.split_once('-').expect("ms-seq");
        Id { ms: ms.parse().expect("ms"), seq: seq.parse().expect("seq") }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// What an entry says of its pool: the balances after the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    pub available: i64,
    pub reserved: i64,
    /// None: unlimited.
    pub on_hand: Option<i64>,
    pub sold: i64,
    pub out: i64,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub id: Id,
    pub kind: String,
    pub pool: String,
    pub epoch: String,
    pub seq: u64,
    pub qty: i64,
    pub balances: Balances,
}

impl Entry {
    /// Whether it is the change behind the one with this number and `out`, in whichever epoch that
    /// was: the number is the next one, and `out` moved by what the entry says. A pool made anew
    /// can have the number by chance.
    pub fn follows(&self, seq: u64, out: i64) -> bool {
        let moved = self.balances.out - out;
        let own = match self.kind.as_str() {
            "confirmed" | "late" => self.qty,
            "returned" | "added" | "transferred" => -self.qty,
            _ => 0,
        };
        self.seq == seq + 1 && (moved == own || (self.kind == "returned" && moved == 0))
    }

    pub fn parse(value: &Value) -> Entry {
        let flat = testkit::entry::fields(&value.items()[1]).into_iter().flat_map(<[String; 2]>::from);
        let fields = Value::Array(flat.map(|text| Value::Bulk(text.into_bytes())).collect());
        let text = |name: &str| fields.field(name).text();
        let number = |name: &str| text(name).parse::<i64>().expect("a number");
        let balances = Balances {
            available: number("available"),
            reserved: number("reserved"),
            on_hand: text("on_hand").parse().ok(),
            sold: number("sold"),
            out: number("out"),
        };
        let seq = number("seq").unsigned_abs();
        let id = Id::parse(&value.items()[0].text());
        Entry { id, kind: text("type"), pool: text("pool"), epoch: text("epoch"), seq, qty: number("qty"), balances }
    }

    /// The entries of an answer of XREAD about one stream.
    pub fn all(answer: &Value) -> Vec<Entry> {
        match answer {
            Value::Nil => Vec::new(),
            answer => answer.items()[0].items()[1].items().iter().map(Entry::parse).collect(),
        }
    }
}

/// The balances of a pool, as the server has them.
pub fn balances(client: &mut testkit::Client, pool: &str) -> Balances {
    let map = client.call(&["STOCK.GET", pool]);
    let number = |name: &str| map.field(name).int();
    let unlimited = number("unlimited") == 1;
    let on_hand = (!unlimited).then(|| number("on_hand"));
    let available = number("available");
    Balances { available, reserved: number("reserved"), on_hand, sold: number("sold"), out: number("out") }
}

/// The number of a pool's last change.
pub fn seq(client: &mut testkit::Client, pool: &str) -> u64 {
    client.call(&["STOCK.GET", pool]).field("seq").int().unsigned_abs()
}
