//! The designs that keep the stock in Redis. Each process of the application has connections of its
//! own; what belongs together and needs no answer in between goes in one round trip.

pub mod get_decr;
pub mod lock;
pub mod lua_c;
pub mod lua_counter;
pub mod records;
pub mod stock;
pub mod watch;

use anyhow::Result;
use redis::aio::MultiplexedConnection;

/// One connection for each desk, and one for the background.
pub struct Desks(Vec<MultiplexedConnection>);

impl Desks {
    pub async fn open(url: &str, workers: usize) -> Result<Self> {
        let client = redis::Client::open(url)?;
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(crate::shop::PATIENCE));
        let mut desks = Vec::new();
        for _ in 0..2 * workers + 2 {
            desks.push(client.get_multiplexed_async_connection_with_config(&config).await?);
        }
        Ok(Self(desks))
    }

    /// The connection of a desk.
    fn desk(&self, number: usize) -> MultiplexedConnection {
        self.0[number].clone()
    }

    /// The connection of the background and of the nightly job.
    fn back_office(&self) -> MultiplexedConnection {
        self.0[self.0.len() - 1].clone()
    }
}
