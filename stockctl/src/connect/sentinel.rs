//! Redis Sentinel: where the primary is, and its replicas.

use std::time::Duration;

use anyhow::Result;
use redis::{ConnectionInfo, Value};

use super::{connect, settings, Node, Role};
use crate::failure::{failed, Failure};
use crate::reply::{bytes, field, list, text};

/// What a sentinel knows.
pub struct Watched {
    /// The address of the primary.
    pub primary: String,
    /// The addresses of the replicas that the sentinel can reach.
    pub replicas: Vec<String>,
}

impl Watched {
    /// The servers, the primary first.
    pub fn nodes(&self) -> Vec<Node> {
        let node = |address: &String, role| Node { address: address.clone(), role, primary: self.primary.clone() };
        let replicas = self.replicas.iter().map(|address| node(address, Role::Replica));
        std::iter::once(node(&self.primary, Role::Primary)).chain(replicas).collect()
    }
}

/// Asks the sentinels in turn.
///
/// # Errors
/// That of the last one: [`Failure::Unreachable`], it does not answer; [`Failure::Refused`], it
/// does not watch that name, or refuses the user.
pub async fn find(sentinels: &[ConnectionInfo], name: &str, patience: Duration) -> Result<Watched> {
    let mut last = Failure::Refused("no sentinel".to_string()).into();
    for sentinel in sentinels {
        match ask(sentinel, name, patience).await {
            Ok(found) => return Ok(found),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(sentinel: &ConnectionInfo, name: &str, patience: Duration) -> Result<Watched> {
    let at = sentinel.addr().to_string();
    let mut connection = connect(sentinel.clone(), settings(patience)).await?;
    let mut primary = redis::cmd("SENTINEL");
    primary.arg("get-master-addr-by-name").arg(name);
    let primary: Value = primary.query_async(&mut connection).await.map_err(|error| failed(&at, &error))?;
    let [host, port] = list(&primary) else {
        return Err(Failure::Refused(format!("the sentinel at {at} does not watch {name}")).into());
    };
    let mut replicas = redis::cmd("SENTINEL");
    replicas.arg("replicas").arg(name);
    let replicas: Value = replicas.query_async(&mut connection).await.map_err(|error| failed(&at, &error))?;
    let is_up = |replica: &&Value| !String::from_utf8_lossy(bytes(field(replica, "flags"))).contains("down");
    let address = |replica: &Value| format!("{}:{}", text(field(replica, "ip")), text(field(replica, "port")));
    Ok(Watched {
        primary: format!("{}:{}", text(host), text(port)),
        replicas: list(&replicas).iter().filter(is_up).map(address).collect(),
    })
}
