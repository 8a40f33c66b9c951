//! The client libraries under test, each a program that takes the same arguments:
//! clients/README.md.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once};

/// One client of one language.
pub struct Library {
    /// The directory below `clients`.
    pub language: &'static str,
    /// What its program calls it.
    pub name: &'static str,
    /// Whether it sends any command that it is given, also to replicas; the shell does not.
    pub routes: bool,
    /// Whether it makes the typed calls of the vectors: mode `driver`.
    pub typed: bool,
}

/// Those that a `CLIENT` names: a language or a library; all without it.
pub fn libraries() -> impl Iterator<Item = &'static Library> {
    let wanted = std::env::var("CLIENT").unwrap_or_default();
    let wanted = LIBRARIES.iter().filter(move |one| wanted.is_empty() || wanted == one.language || wanted == one.name);
    wanted.filter(|one| is_built(one.language) && (one.name != "predis" || predis_is_here()))
}

/// Where scripts/deps.sh unpacks it, which is no part of what Debian 12 installs; without it its
/// tests are skipped.
fn predis() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of this test");
    exe.ancestors().nth(3).expect("the target directory").join("predis/usr/share/php/Predis")
}

/// False, and said aloud, where it is not unpacked.
fn predis_is_here() -> bool {
    static SAID: Once = Once::new();
    let is_here = predis().exists();
    if !is_here {
        let missing = predis();
        SAID.call_once(|| skipped(&format!("the tests of predis 3: {} is not there", missing.display())));
    }
    is_here
}

/// Written past the test's output, which nobody sees where the test passes.
fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}; `make deps-tests` says why");
}

/// What `clients/LANGUAGE/build` ends with where the language is not installed.
const NOT_HERE: i32 = 77;

/// Builds a language that is compiled, once. False, and said aloud, where it is not installed.
#[track_caller]
fn is_built(language: &'static str) -> bool {
    static BUILT: Mutex<BTreeMap<&str, bool>> = Mutex::new(BTreeMap::new());
    let script = clients(language).join("build");
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    *built.entry(language).or_insert_with(|| {
        let Some(status) = script.exists().then(|| Command::new(&script).status().expect("it starts")) else {
            return true;
        };
        if status.code() == Some(NOT_HERE) {
            skipped(&format!("the client libraries of {language}: it is not installed (above)"));
            return false;
        }
        assert!(status.success(), "clients/{language}/build: {status}");
        true
    })
}

const LIBRARIES: &[Library] = &[
    Library { language: "python", name: "redis-py", routes: true, typed: true },
    Library { language: "python", name: "redis-py-asyncio", routes: true, typed: true },
    Library { language: "python", name: "glide", routes: true, typed: true },
    Library { language: "node", name: "ioredis", routes: true, typed: true },
    Library { language: "node", name: "node-redis", routes: true, typed: true },
    Library { language: "node", name: "glide", routes: true, typed: true },
    Library { language: "java", name: "jedis", routes: true, typed: true },
    Library { language: "java", name: "lettuce", routes: true, typed: true },
    Library { language: "java", name: "spring", routes: true, typed: true },
    Library { language: "go", name: "go-redis", routes: true, typed: true },
    Library { language: "go", name: "rueidis", routes: true, typed: true },
    Library { language: "php", name: "phpredis", routes: true, typed: true },
    Library { language: "php", name: "predis", routes: true, typed: true },
    Library { language: "ruby", name: "redis-client", routes: true, typed: true },
    Library { language: "rust", name: "redis-rs", routes: true, typed: true },
    Library { language: "shell", name: "redis-cli", routes: false, typed: false },
];

pub fn clients(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(path)
}

/// Python with its libraries, as scripts/deps.sh installs it.
#[track_caller]
pub fn python() -> Command {
    let exe = std::env::current_exe().expect("the path of this test");
    let python = exe.ancestors().nth(3).expect("the target directory").join("python/bin/python");
    assert!(python.exists(), "{} is missing: `make deps-tests` installs what the clients need", python.display());
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

impl Library {
    /// Whether its client gives, of an answer with an error in it, the error alone. The library
    /// then asks for each order.
    pub fn drops_answers(&self) -> bool {
        ["phpredis", "glide"].contains(&self.name)
    }

    /// Its program, with the library, the port and the rest of the arguments.
    #[track_caller]
    pub fn program<S: AsRef<OsStr>>(&self, port: u16, args: &[S]) -> Command {
        let mut command = match self.language {
            "python" => {
                let mut python = python();
                python.arg(clients("python/tests/drive.py"));
                python
            }
            "node" => {
                let modules = clients("node/node_modules");
                assert!(modules.exists(), "{} is missing: `make deps-tests` installs it", modules.display());
                let mut node = Command::new("node");
                node.arg(clients("node/test/drive.js"));
                node
            }
            "shell" => {
                let mut shell = Command::new("sh");
                shell.arg(clients("shell/drive.sh"));
                shell
            }
            other => {
                let mut command = Command::new(clients(other).join("run"));
                command.env("STOCK_PREDIS", predis());
                command
            }
        };
        command.arg(self.name).arg(port.to_string()).args(args);
        command
    }
}

/// Runs a program to its end and answers what it printed. It must end well.
#[track_caller]
pub fn printed(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {}\n{printed}\n{errors}", done.status);
    printed
}
