//! How a command ended: as an exit code for scripts, and in words.

use std::process::ExitCode;

/// How a command ended that found out what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All is well.
    Well,
    /// What was asked about is not as it should be: a refusal, no such pool, a difference.
    Unwell,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        match ended {
            Ended::Well => ExitCode::SUCCESS,
            Ended::Unwell => ExitCode::from(1),
        }
    }
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked about is not there.
    #[error("{0}")]
    Missing(String),
    /// The call is wrong, or a server refuses it.
    #[error("{0}")]
    Refused(String),
    /// A server cannot be reached, or cannot serve at the moment.
    #[error("{0}")]
    Unreachable(String),
}

/// The process's exit code for an error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.chain().find_map(|cause| cause.downcast_ref::<Failure>()) {
        Some(Failure::Missing(_)) | None => 1,
        Some(Failure::Refused(_)) => 2,
        Some(Failure::Unreachable(_)) => 4,
    }
}

/// Whether a server cannot be reached, or cannot serve at the moment.
pub fn is_unreachable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::Unreachable(_)))
}

/// An error in words: its causes, without those that the one before has already.
pub fn error_chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if last.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
        last = cause;
    }
    text
}

/// What a server's error means for who called.
pub fn failed(address: &str, error: &redis::RedisError) -> anyhow::Error {
    const NOT_NOW: [&str; 6] = ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MISCONF"];
    let Some(code) = error.code() else {
        return match error.kind() {
            redis::ErrorKind::AuthenticationFailed | redis::ErrorKind::InvalidClientConfig => {
                Failure::Refused(format!("{address}: {error}"))
            }
            _ => Failure::Unreachable(format!("{address} cannot be reached: {error}")),
        }
        .into();
    };
    let detail = error.detail().unwrap_or_default();
    let text = format!("{address} answers {code} {detail}");
    if NOT_NOW.contains(&code) {
        return Failure::Unreachable(text).into();
    }
    if detail.starts_with("unknown command") && detail.to_ascii_uppercase().contains("STOCK.") {
        return no_module(address);
    }
    Failure::Refused(text).into()
}

/// As [`failed`], of a connection that did not come about: with what to try next.
pub fn unconnected(address: &str, by_tls: bool, error: &redis::RedisError) -> anyhow::Error {
    let failed = failed(address, error);
    match (failed.downcast_ref(), hint(by_tls, &error.to_string())) {
        (Some(Failure::Unreachable(text)), Some(hint)) => Failure::Unreachable(format!("{text}; {hint}")).into(),
        _ => failed,
    }
}

/// What mostly is behind an error of the network or of TLS.
fn hint(by_tls: bool, error: &str) -> Option<&'static str> {
    let is = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if by_tls && is(&["CertificateRequired"]) {
        Some("it wants a certificate: --tls-cert and --tls-key")
    } else if by_tls && is(&["NotValidForName"]) {
        Some("its certificate is for another name than this address")
    } else if by_tls && is(&["invalid peer certificate"]) && !is(&["Expired", "NotValidYet"]) {
        Some("--tls-ca FILE says whom to trust")
    } else if by_tls && is(&["timed out", "end of file", "InvalidContentType", "InvalidMessage"]) {
        Some("if it speaks no TLS, its address is redis://")
    } else if !by_tls && is(&["reset by peer", "end of file", "roken pipe"]) {
        Some("if it speaks TLS, its address is rediss://")
    } else {
        None
    }
}

/// The server is not one of redis-stock.
pub fn no_module(address: &str) -> anyhow::Error {
    Failure::Refused(format!("{address} has not loaded the redis-stock module, or an older one")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_fits_what_was_tried() {
        let says = |by_tls, error, word| hint(by_tls, error).is_some_and(|hint| hint.contains(word));
        assert!(says(true, "invalid peer certificate: UnknownIssuer", "--tls-ca"));
        assert!(says(true, "invalid peer certificate: NotValidForName", "another name"));
        assert_eq!(hint(true, "invalid peer certificate: Expired"), None);
        assert!(says(true, "received fatal alert: CertificateRequired", "--tls-cert"));
        assert!(says(true, "timed out", "redis://"));
        assert!(says(false, "Connection reset by peer (os error 104)", "rediss://"));
        assert_eq!(hint(false, "timed out"), None);
        assert_eq!(hint(true, "Connection refused (os error 111)"), None);
    }
}
