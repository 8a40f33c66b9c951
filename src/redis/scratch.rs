//! Buffers that one call leaves to the next, so that a call allocates nothing.

use super::open_key::OpenKey;
use crate::command::journal::Journal;

/// The most entries of a buffer that stay allocated after a call.
const MAX_KEPT: usize = 4_096;

/// The buffers of one call.
#[derive(Default)]
pub struct Scratch {
    /// The arguments, borrowed while the call runs. Empty between calls, whatever the lifetime
    /// says.
    pub args: Vec<&'static [u8]>,
    /// The keys that the call has opened.
    pub open: Vec<OpenKey>,
    /// What the call has changed.
    pub journal: Journal,
}

impl Scratch {
    /// Forgets the call. The journal is cleared when the next call begins.
    pub fn clear(&mut self) {
        self.args.clear();
        self.open.clear();
        self.args.shrink_to(MAX_KEPT);
        self.open.shrink_to(MAX_KEPT);
    }
}
