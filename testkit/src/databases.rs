//! PostgreSQL and MariaDB as Debian has them, each in a directory of its own and on a free port of
//! this machine. They end with the process that started them, however it goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::server::free_port;
use crate::wait::wait_until;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    MariaDb,
}

/// A server that serves. Its commits are on the disk before they are answered, as by default.
pub struct DatabaseServer {
    engine: Engine,
    port: u16,
    child: Child,
    dir: TempDir,
}

const POSTGRES: &[&str] = &["/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin"];
const MARIADB: &[&str] = &["/usr/sbin", "/usr/bin", "/usr/local/bin"];

impl DatabaseServer {
    /// With these arguments beside what it must have.
    pub fn start(engine: Engine, args: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("stock-").tempdir().expect("a directory");
        give_to_nobody(dir.path());
        let data = dir.path().join("data");
        let mut make = match engine {
            Engine::Postgres => {
                let mut make = Command::new(find("initdb", POSTGRES));
                make.args(["-A", "trust", "-U", "shop", "-E", "UTF8", "--locale=C", "-N", "-D"]).arg(&data);
                make
            }
            Engine::MariaDb => {
                let mut make = Command::new(find("mariadb-install-db", MARIADB));
                make.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
                make.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
                make
            }
        };
        as_nobody(make.current_dir(dir.path()));
        run(make);
        let port = free_port();
        let mut server = match engine {
            Engine::Postgres => {
                let mut server = guard(&find("postgres", POSTGRES));
                server.args(["-D", "data", "-k", ".", "-h", "127.0.0.1", "-p", &port.to_string()]);
                server
            }
            Engine::MariaDb => {
                let mut server = guard(&find("mariadbd", MARIADB));
                server.args(["--no-defaults", "--bind-address=127.0.0.1", &format!("--port={port}")]);
                server.arg(format!("--datadir={}", data.display()));
                server.arg(format!("--socket={}", dir.path().join("s").display()));
                server
            }
        };
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        server.args(args).current_dir(dir.path()).stdin(Stdio::piped());
        server.stdout(log.try_clone().expect("the log once more")).stderr(log);
        as_nobody(&mut server);
        let child = server.spawn().expect("a database");
        let server = Self { engine, port, child, dir };
        wait_until(&format!("{engine:?} answers; its log is in {}", server.dir.path().display()), || server.answers());
        server
    }

    /// Makes a database and gives its address.
    pub fn create(&self, name: &str) -> String {
        let sql = format!("CREATE DATABASE {name}");
        let port = self.port.to_string();
        let client = match self.engine {
            Engine::Postgres => {
                let mut client = Command::new(find("psql", POSTGRES));
                client.args(["-h", "127.0.0.1", "-p", &port, "-U", "shop", "-q", "-c", &sql, "postgres"]);
                client
            }
            Engine::MariaDb => {
                let mut client = Command::new(find("mariadb", MARIADB));
                client.args(["--no-defaults", "-h", "127.0.0.1", "-P", &port, "-u", "root", "-e", &sql]);
                client
            }
        };
        run(client);
        match self.engine {
            Engine::Postgres => format!("postgres://shop@127.0.0.1:{port}/{name}"),
            Engine::MariaDb => format!("mysql://root@127.0.0.1:{port}/{name}"),
        }
    }

    /// The server's own process.
    pub fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.dir.path().join("server.pid")).expect("a pid");
        text.trim().parse().expect("a pid")
    }

    fn answers(&self) -> bool {
        let port = self.port.to_string();
        let mut ask = match self.engine {
            Engine::Postgres => {
                let mut ask = Command::new(find("pg_isready", POSTGRES));
                ask.args(["-q", "-h", "127.0.0.1", "-p", &port]);
                ask
            }
            Engine::MariaDb => {
                let mut ask = Command::new(find("mariadb-admin", MARIADB));
                ask.args(["--no-defaults", "-h", "127.0.0.1", "-P", &port, "-u", "root", "ping"]);
                ask
            }
        };
        ask.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A shell that runs the program behind it, and ends it when nobody holds the shell's input any
/// more.
fn guard(program: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = "\"$@\" & pid=$!; echo $pid >server.pid; cat >/dev/null; kill -QUIT $pid 2>/dev/null; wait";
    command.args(["-c", script, "sh"]).arg(program);
    command
}

fn find(name: &str, places: &[&str]) -> PathBuf {
    let mut found: Vec<PathBuf> = Vec::new();
    for place in places {
        match place.split_once('*') {
            Some((before, after)) => {
                let versions = fs::read_dir(before).into_iter().flatten().flatten();
                found.extend(versions.map(|v| PathBuf::from(format!("{}{after}/{name}", v.path().display()))));
            }
            None => found.push(Path::new(place).join(name)),
        }
    }
    found.sort();
    let found = found.into_iter().rev().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no {name} in {places:?}: `make deps-tests` installs it"))
}

fn run(mut command: Command) {
    let out = command.output().expect("a command");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {}{text}", String::from_utf8_lossy(&out.stdout));
}

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output().expect("id");
    out.stdout.starts_with(b"0\n")
}

/// Databases refuse to run as root: then they run as nobody.
fn as_nobody(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

fn give_to_nobody(dir: &Path) {
    if is_root() {
        std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).expect("chown");
    }
}
