//! Keyspace notifications, as a subscriber gets them.

use crate::client::Client;
use crate::server::Server;

/// Keyspace notifications of all databases, in the order in which they came.
pub struct Events {
    listener: Client,
}

impl Events {
    /// Listens to the classes of `flags` (as notify-keyspace-events), of which E must be one.
    #[track_caller]
    pub fn listen(server: &Server, flags: &str) -> Events {
        server.client().expect(&format!("CONFIG SET notify-keyspace-events {flags}"), "OK");
        let mut listener = server.client();
        listener.send(&["PSUBSCRIBE", "__keyevent@*", "marker"]);
        listener.read();
        listener.read();
        Events { listener }
    }

    /// What came since the last call: `event key`, one text each.
    #[track_caller]
    pub fn take(&mut self, server: &Server) -> Vec<String> {
        server.client().expect("PUBLISH marker here", "1");
        let mut found = Vec::new();
        while let Some(event) = self.next_event() {
            found.push(event);
        }
        found
    }

    /// Waits for the next event; None for the marker.
    #[track_caller]
    pub fn next_event(&mut self) -> Option<String> {
        let message = self.listener.read();
        let parts = message.items();
        let (channel, key) = (parts[2].text(), parts[3].text());
        let event = channel.split_once("__:").map(|(_, event)| event.to_string());
        event.map(|event| format!("{event} {key}"))
    }
}
