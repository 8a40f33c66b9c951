//! Certificates for TLS.

use std::path::Path;
use std::process::Command;

/// Makes a certificate for this machine in a directory: the paths of it and of its key.
#[track_caller]
pub fn certificate(dir: &Path) -> (String, String) {
    let path = |name: &str| dir.join(name).display().to_string();
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    make.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    make.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    make.args(["-keyout", &path("key.pem"), "-out", &path("cert.pem")]);
    let made = make.output().expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (path("cert.pem"), path("key.pem"))
}
