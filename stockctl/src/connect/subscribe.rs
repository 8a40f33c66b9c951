//! Connections on which a server tells of events.

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::PushInfo;
use tokio::sync::mpsc::UnboundedSender;

use super::{connect, Servers};
use crate::failure::failed;

impl Servers {
    /// A connection of its own to a server, which subscribes to these channels: what is published
    /// there goes to `to`, and the end of the connection, too.
    ///
    /// # Errors
    /// [`failed`]: `Failure::Unreachable` where the server does not answer, `Failure::Refused`
    /// where it refuses the user or a channel.
    pub async fn subscribe(
        &self,
        address: &str,
        channels: &[String],
        to: UnboundedSender<PushInfo>,
    ) -> Result<MultiplexedConnection> {
        let mut connection = connect(self.way_to(address)?, self.settings().set_push_sender(to)).await?;
        connection.subscribe(channels).await.map_err(|error| failed(address, &error))?;
        Ok(connection)
    }
}
