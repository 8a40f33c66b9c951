//! Entries that are missing in the stream: `out` tells what they moved.

use super::rows::{Position, Projection};
use crate::event::{Event, Kind};

impl Projection {
    /// A pool goes on from where it stands: from which `out` the event counts. Entries that are
    /// missing between become an incident.
    pub(super) fn follow(&mut self, event: &Event, position: &Position) -> i64 {
        if event.kind == Kind::State {
            self.missing_end(event, position);
            return position.out;
        }
        let missed = event.seq - position.seq - 1;
        if missed > 0 && !position.epoch.is_empty() {
            let units = event.out - position.out - event.own_out();
            let detail = format!(
                "changes {} to {} are not in the stream; out says that they moved {units} units, which are applied",
                position.seq + 1,
                event.seq - 1
            );
            self.incident("gap", event, units, detail);
        }
        position.out
    }

    /// The last entries of a pool are missing. The stock row is made right from `out`; what they
    /// said of orders only an audit finds.
    fn missing_end(&mut self, event: &Event, position: &Position) {
        let units = event.out - position.out;
        let detail = format!(
            "changes {} to {} are not in the stream, and nothing follows them; out says that they moved {units} \
             units, which are applied; audit, then reconcile",
            position.seq + 1,
            event.seq
        );
        self.incident("gap", event, units, detail);
        if let Some(position) = self.positions.get_mut(&event.pool) {
            position.needs_audit = true;
        }
    }
}
