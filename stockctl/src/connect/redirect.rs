//! Commands on a key: they go to the server that has it, also while its slot moves.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::{Cmd, RedisError, Value};

use super::{Role, Servers, Topology};
use crate::failure::{failed, Failure};

/// A slot that moves is followed so often; then the error is shown.
const REDIRECTS: u32 = 6;

impl Servers {
    /// Who has a key.
    ///
    /// # Errors
    /// [`Failure::Refused`]: several servers were named that do not belong together.
    /// [`Failure::Unreachable`]: no server has the slot.
    pub fn home_of(&self, key: &[u8]) -> Result<String> {
        match &self.topology {
            Topology::Alone(nodes) => match nodes.as_slice() {
                [node] => Ok(node.address.clone()),
                _ => Err(Failure::Refused("this asks one server: name one --url".to_string()).into()),
            },
            Topology::Watched(nodes) => {
                let role = if self.args.replicas { Role::Replica } else { Role::Primary };
                let found = nodes.iter().find(|node| node.role == role).or(nodes.first());
                Ok(found.context("a sentinel that knows no server")?.address.clone())
            }
            Topology::Cluster(slots) => {
                let uncovered =
                    || Failure::Unreachable("no server of the cluster has the slot of this key".to_string());
                let range = slots.of_key(key).ok_or_else(uncovered)?;
                let replica = range.replicas.first().filter(|_| self.args.replicas);
                Ok(replica.unwrap_or(&range.primary).clone())
            }
        }
    }

    /// A command on a key: the answer, and who gave it.
    ///
    /// # Errors
    /// As [`Servers::home_of`] and [`Servers::ask`]; MOVED, ASK and TRYAGAIN are followed up to six
    /// times.
    pub async fn ask_key(&mut self, key: &[u8], command: &Cmd) -> Result<(String, Value)> {
        let mut address = self.home_of(key)?;
        let mut asking = false;
        for round in 0.. {
            let mut commands = vec![command.clone()];
            if asking {
                commands.insert(0, redis::cmd("ASKING"));
            }
            let answer = self.ask_many(&address, &commands).await?.pop().context("no answer")?;
            let error: RedisError = match answer {
                Value::ServerError(error) => error.into(),
                answer => return Ok((address, answer)),
            };
            let code = error.code().unwrap_or_default();
            let moves = ["MOVED", "ASK", "TRYAGAIN"].contains(&code);
            if round >= REDIRECTS || self.args.single || !moves {
                return Err(failed(&address, &error));
            }
            asking = code == "ASK";
            if let Some((node, _slot)) = error.redirect_node() {
                // A server that does not know its own name leaves the host out.
                let host = if node.starts_with(':') { super::host(&address) } else { String::new() };
                address = format!("{host}{node}");
            } else {
                tokio::time::sleep(Duration::from_millis(20 << round)).await;
            }
            if code == "MOVED" {
                self.discover().await?;
            }
        }
        unreachable!("the loop ends by its bound")
    }
}
