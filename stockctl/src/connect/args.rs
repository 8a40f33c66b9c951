//! The options that every command has: where the servers are, and who asks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates,
};

use super::another;
use crate::failure::Failure;
use crate::text::redacted;

/// Where the servers are, and who asks.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Servers")]
pub struct ConnectArgs {
    /// redis://[user:password@]host:port[/db], rediss://… with TLS, redis+unix:///path; several,
    /// separated by commas. Of a cluster one node is enough, and with --sentinel one sentinel: more
    /// are tried in turn. Otherwise each is a server of its own
    #[arg(
        short,
        long = "url",
        env = "STOCKCTL_URL",
        global = true,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "redis://127.0.0.1:6379",
        hide_env_values = true
    )]
    pub urls: Vec<String>,
    /// The name of the primary that the sentinels at --url watch. User and password of the URL are
    /// then the sentinel's, --user and STOCKCTL_PASSWORD the primary's
    #[arg(long, env = "STOCKCTL_SENTINEL", global = true, value_name = "NAME")]
    pub sentinel: Option<String>,
    /// The ACL user, in place of that of the URL. Its password is taken from the environment,
    /// STOCKCTL_PASSWORD, so that it stands in no list of processes
    #[arg(long, env = "STOCKCTL_USER", global = true)]
    pub user: Option<String>,
    /// Whom TLS trusts, in place of the system's certificates (PEM)
    #[arg(long, env = "STOCKCTL_TLS_CA", global = true, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// The certificate that servers ask for (PEM)
    #[arg(long, env = "STOCKCTL_TLS_CERT", global = true, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, env = "STOCKCTL_TLS_KEY", global = true, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Ask the servers of --url alone, though they belong to a cluster
    #[arg(long, global = true, conflicts_with = "sentinel")]
    pub single: bool,
    /// Ask a replica in place of its primary, where a cluster or Sentinel has one
    #[arg(long, global = true, conflicts_with = "single")]
    pub replicas: bool,
    /// For so many seconds an answer is waited for
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

impl ConnectArgs {
    /// For how long an answer is waited for.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The user who asks the servers.
    pub fn user_name(&self) -> String {
        let url = || self.seeds().ok()?.first()?.redis_settings().username().map(str::to_string);
        self.user.clone().or_else(url).unwrap_or_else(|| "default".to_string())
    }

    /// The addresses of `--url`, without users and passwords.
    ///
    /// # Errors
    /// [`Failure::Refused`]: one of them is no address.
    pub fn addresses(&self) -> Result<Vec<String>> {
        Ok(self.seeds()?.iter().map(|info| info.addr().to_string()).collect())
    }

    /// The addresses of `--url`, ready to connect to.
    pub(super) fn seeds(&self) -> Result<Vec<ConnectionInfo>> {
        self.urls.iter().map(|url| self.seed(url)).collect()
    }

    fn seed(&self, url: &str) -> Result<ConnectionInfo> {
        let url = url.trim();
        let refused = |error: &dyn std::fmt::Display| {
            Failure::Refused(format!("--url {} is not the address of a server: {error}", redacted(url)))
        };
        let how = "write redis://host:port, rediss://host:port (TLS) or redis+unix:///path";
        let info = url.into_connection_info().map_err(|_| refused(&how))?;
        let mut login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if self.sentinel.is_some() {
            // The logical database is one of the primary: a sentinel has none.
            login = login.set_db(0);
        } else {
            login = self.logged_in(login);
        }
        let info = info.set_redis_settings(login);
        let Some(certificates) = self.certificates()? else { return Ok(info) };
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            let text = format!("--tls-ca and --tls-cert are for TLS, and --url {} is not rediss://", redacted(url));
            return Err(Failure::Refused(text).into());
        }
        let client = Client::build_with_tls(info, certificates).map_err(|error| refused(&error))?;
        Ok(client.get_connection_info().clone())
    }

    /// With the user and the password of the options.
    fn logged_in(&self, mut login: RedisConnectionInfo) -> RedisConnectionInfo {
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        match std::env::var("STOCKCTL_PASSWORD") {
            Ok(password) if !password.is_empty() => login.set_password(password),
            _ => login,
        }
    }

    /// How to connect to the primary that a sentinel named.
    pub(super) fn behind_sentinel(&self, address: &str) -> Result<ConnectionInfo> {
        let url = self.urls.first().map(String::as_str).unwrap_or_default();
        let db = url.trim().into_connection_info().map_or(0, |info| info.redis_settings().db());
        let fresh = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        Ok(another(&self.seed(url)?, address)?.set_redis_settings(self.logged_in(fresh.set_db(db))))
    }

    fn certificates(&self) -> Result<Option<TlsCertificates>> {
        if self.tls_ca.is_none() && self.tls_cert.is_none() {
            return Ok(None);
        }
        let client_tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? }),
            _ => None,
        };
        Ok(Some(TlsCertificates { client_tls, root_cert: self.tls_ca.as_deref().map(read).transpose()? }))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::Refused(format!("cannot read {}: {error}", path.display())).into())
}
