//! How much code a call runs through: lines of the processor's instruction cache, from a dump of
//! callgrind with addresses. A core that holds less than that in its cache fetches the rest again
//! at each call.

use std::collections::HashMap;

/// The bytes of a line of the instruction cache.
const LINE: u64 = 64;

/// The bytes of the lines that at least every second call has run through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// In the whole process.
    pub all: u64,
    /// In the module.
    pub module: u64,
}

/// What `calls` calls ran through. `dump`: made with `--dump-instr=yes --compress-pos=no
/// --compress-strings=no`; `module`: the name of its file.
pub fn touched(dump: &str, calls: u64, module: &str) -> Touched {
    let mut lines: HashMap<u64, (u64, bool)> = HashMap::new();
    let (mut in_module, mut is_callee) = (false, false);
    for text in dump.lines() {
        if let Some(object) = text.strip_prefix("ob=") {
            in_module = object.ends_with(module);
        } else if text.starts_with("calls=") {
            // The line behind it has what was called: counted where that stands.
            is_callee = true;
        } else if let Some((address, count)) = executed(text) {
            if !std::mem::take(&mut is_callee) {
                let line = lines.entry(address / LINE).or_default();
                *line = (line.0.max(count), in_module);
            }
        }
    }
    let usual = |of_module: bool| {
        let lines = lines.values().filter(|(count, inside)| count * 2 >= calls && (*inside || !of_module));
        lines.count() as u64 * LINE
    };
    Touched { all: usual(false), module: usual(true) }
}

/// `0x<address> <line of the source> <how often>`
fn executed(text: &str) -> Option<(u64, u64)> {
    let mut words = text.strip_prefix("0x")?.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    Some((address, words.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_most_calls_run_through_count_once() {
        let dump = "positions: instr line\nevents: Ir\n\nob=/usr/bin/redis-server\nfn=call\n0x1000 5 10\n0x103c 6 10\n\
            0x1040 7 4\ncob=/x/libredis_stock.so\ncfn=run\ncalls=10 0x2000 1\n0x1080 7 90000\n0x1080 7 10\n\n\
            ob=/x/libredis_stock.so\nfn=run\n0x2000 1 10\n0x2004 1 10\n0x2080 2 5\ntotals: 59\n";
        assert_eq!(touched(dump, 10, "libredis_stock.so"), Touched { all: 4 * LINE, module: 2 * LINE });
        assert_eq!(touched("", 10, "x"), Touched { all: 0, module: 0 });
    }
}
