//! What is wrong with bytes that should be a pool or an effect.

use std::fmt;

/// Why bytes are refused. The text is for the server's log, and holds none of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage(pub &'static str);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Damage {}
