//! The keys of a server's pools.

use std::collections::BTreeSet;

use anyhow::Result;
use redis::Cmd;

use crate::connect::{info, Servers};
use crate::failure::no_module;
use crate::reply::{bytes, list};

/// Keys that SCAN looks at in one call.
const PAGE: usize = 1000;

/// The keys of a server's pools, each once (SCAN may say one twice), in order.
///
/// # Errors
/// [`no_module`], which is `Failure::Refused`; else as [`Servers::ask`].
pub async fn pool_keys(servers: &mut Servers, address: &str, pattern: Option<&str>) -> Result<BTreeSet<Vec<u8>>> {
    // Without the module there is no such type, and SCAN finds nothing.
    if bytes(&servers.ask(address, &info("stock")).await?).is_empty() {
        return Err(no_module(address));
    }
    let (mut cursor, mut found) = (b"0".to_vec(), BTreeSet::new());
    loop {
        let answer = servers.ask(address, &scan(&cursor, pattern)).await?;
        let [next, page] = list(&answer) else { return Ok(found) };
        found.extend(list(page).iter().map(|key| bytes(key).to_vec()));
        cursor = bytes(next).to_vec();
        if cursor == b"0" {
            return Ok(found);
        }
    }
}

fn scan(cursor: &[u8], pattern: Option<&str>) -> Cmd {
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("TYPE").arg("stockpool").arg("COUNT").arg(PAGE);
    if let Some(pattern) = pattern {
        scan.arg("MATCH").arg(pattern);
    }
    scan
}
