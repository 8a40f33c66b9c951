//! A connection to one server.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo};

use crate::failure::Failure;

/// For so long a call may take. Long enough for a server that is busy, short enough to notice a
/// dead one.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// An error that says so.
pub(super) fn unreachable(error: impl std::fmt::Display) -> anyhow::Error {
    Failure::Unreachable(format!("Redis cannot be reached: {error}")).into()
}

/// CLIENT SETNAME, as CLIENT LIST shows it.
pub(super) fn set_name() -> Cmd {
    let mut name = redis::cmd("CLIENT");
    name.arg("SETNAME").arg("stock-ledger");
    name
}

/// Another server of the same kind: with TLS where this one has it.
pub(super) fn beside(address: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match address {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) => ConnectionAddr::Tcp(host, port),
    }
}

/// Connects, and says who it is.
pub(super) async fn connect(info: &ConnectionInfo) -> Result<MultiplexedConnection> {
    let client = Client::open(info.clone()).context("the address of Redis")?;
    let config = AsyncConnectionConfig::new().set_response_timeout(ANSWER).set_connection_timeout(CONNECT);
    let opened = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = opened.map_err(|error| {
        Failure::Unreachable(format!("Redis at {} cannot be reached: {error}", address(&info.addr)))
    })?;
    // Only so that CLIENT LIST tells who it is: a server that refuses it is as good.
    let _ = set_name().query_async::<()>(&mut connection).await;
    Ok(connection)
}

/// How an address is written.
pub(super) fn address(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port}"),
        ConnectionAddr::Unix(path) => path.display().to_string(),
    }
}
