//! A server that starts with a configuration file, as a service does, with the scripts of the
//! packages and of the image, whose paths are those of the test's own directory.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use testkit::client::Client;
use testkit::server::module;
use testkit::{poll, wait_until};

const DROP_IN: &str = "/etc/redis/redis-stock.conf";
const MODULE: &str = "/usr/lib/redis/modules/libredis_stock.so";

/// A server that starts with a configuration file. No service manager knows it, or one that is a
/// script.
pub struct Service {
    dir: TempDir,
    child: Option<Child>,
}

impl Service {
    /// With these lines behind those that say where it lives.
    pub fn new(lines: &str) -> Service {
        Service::with(&format!("port 0\nunixsocket PLACE/socket\ndir PLACE\nlogfile PLACE/log\n{lines}"))
    }

    /// With this configuration, in which PLACE is the test's own directory.
    pub fn with(config: &str) -> Service {
        let dir = tempfile::Builder::new().prefix("stock-").tempdir().expect("a directory");
        let service = Service { dir, child: None };
        fs::create_dir(service.file("init.d")).expect("a directory");
        fs::write(service.config(), service.placed(config)).expect("a configuration");
        fs::copy("packaging/redis-stock.conf", service.file("drop-in.conf")).expect("what the package includes");
        let mut script = fs::read_to_string("packaging/redis-stock-enable").expect("the script");
        let module = module().to_string_lossy().into_owned();
        for (theirs, ours) in [
            (DROP_IN, "PLACE/drop-in.conf"),
            (MODULE, module.as_str()),
            ("/run/systemd/system", "PLACE/no-systemd"),
            ("/etc/init.d", "PLACE/init.d"),
        ] {
            assert!(script.contains(theirs), "{theirs}");
            script = script.replace(theirs, &service.placed(ours));
        }
        fs::write(service.file("enable"), script).expect("the script");
        service
    }

    pub fn placed(&self, text: &str) -> String {
        text.replace("PLACE", &self.dir.path().display().to_string())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.file("no-such-service.conf")
    }

    #[track_caller]
    pub fn text(&self) -> String {
        fs::read_to_string(self.config()).expect("the configuration")
    }

    /// Gives it a service manager: a script that knows these two words.
    pub fn manager(&self, status: &str, restart: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.file("init.d/no-such-service-server");
        let text = format!("#!/bin/sh\ncase $1 in\nstatus) {status} ;;\nrestart) {restart} ;;\nesac\n");
        let text = self.placed(&text).replace("SERVER", &program().display().to_string());
        fs::write(&path, text).expect("the manager");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    }

    #[track_caller]
    pub fn start(&mut self) -> Client {
        let mut command = Command::new(program());
        command.arg(self.config());
        self.run(&mut command)
    }

    /// As the image starts it, with these arguments. `checked`: the image looks at the data first.
    pub fn image(&self, arguments: &[&str], checked: bool) -> Command {
        let script = fs::read_to_string("packaging/server-entrypoint").expect("the script");
        let mut ours = script.replace(MODULE, &module().to_string_lossy());
        assert_ne!(script, ours);
        // /data is the image's own.
        ours = ours.replace("--dir /data", &self.placed("--dir PLACE"));
        if !checked {
            let without = ours.replace("\n    exit 1\n)\n", "\n)\n");
            assert_ne!(without, ours);
            ours = without;
        }
        fs::write(self.file("entrypoint"), ours).expect("the script");
        let _ = std::os::unix::fs::symlink(program(), self.file("redis-server"));
        let path = format!("{}:{}", self.dir.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.arg(self.file("entrypoint")).args(arguments).env("PATH", path).current_dir(self.dir.path());
        command
    }

    /// All that the image says where it starts no server, and ends with 1.
    #[track_caller]
    pub fn image_refuses(&self, arguments: &[&str]) -> String {
        let mut command = self.image(arguments, true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sh");
        let status = poll("it ends, or a server answers", || {
            let started = self.client().is_some();
            started.then_some(None).or_else(|| child.try_wait().expect("its state").map(Some))
        });
        let _ = child.kill();
        let output = child.wait_with_output().expect("its words");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(status.and_then(|status| status.code()), Some(1), "{arguments:?}: {said}");
        said
    }

    #[track_caller]
    pub fn run(&mut self, command: &mut Command) -> Client {
        let _ = fs::remove_file(self.file("socket"));
        if command.get_current_dir().is_none() {
            command.current_dir("/");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the server");
        let client = poll("the server answers", || {
            let log = || fs::read_to_string(self.file("log")).unwrap_or_default();
            assert!(child.try_wait().expect("its state").is_none(), "the server does not start:\n{}", log());
            self.client()
        });
        self.child = Some(child);
        client
    }

    /// A connection, if the server answers.
    pub fn client(&self) -> Option<Client> {
        let mut client = Client::unix(&self.file("socket")).ok()?;
        let answer = client.try_call(&["PING"]).ok()?;
        ["PONG", "NOAUTH"].iter().any(|word| answer.to_string().contains(word)).then_some(client)
    }

    /// As a service manager does it.
    #[track_caller]
    pub fn stop(&mut self) {
        let child = self.child.as_ref().expect("a server that runs");
        assert!(Command::new("kill").arg(child.id().to_string()).status().expect("kill").success());
        self.ended();
    }

    /// The server that this started has ended.
    #[track_caller]
    pub fn ended(&mut self) {
        let mut child = self.child.take().expect("a server that runs");
        wait_until("the server ends", || child.try_wait().expect("its state").is_some());
    }

    /// As a machine that loses its power, but for what the system has not written.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    #[track_caller]
    pub fn restart(&mut self) -> Client {
        self.stop();
        self.start()
    }

    pub fn enable(&self, words: &[&str], password: &str) -> Output {
        let mut command = Command::new("sh");
        command.arg(self.file("enable")).args(words).arg(self.config());
        command.env("REDISCLI_AUTH", password).output().expect("the script")
    }

    /// It ends with 0.
    #[track_caller]
    pub fn enabled(&self, words: &[&str]) -> Output {
        let output = self.enable(words, "");
        assert!(output.status.success(), "{output:?}");
        output
    }

    /// Refused: nothing is written, and the reason has these words.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], password: &str, reason: &str) {
        let before = self.text();
        let output = self.enable(words, password);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(said.contains(reason), "{said}");
        assert!(said.contains("Nothing has changed"), "{said}");
        assert_eq!(self.text(), before);
    }

    #[track_caller]
    pub fn is_on(&self) -> bool {
        let text = self.text();
        let [includes, loads] =
            ["include ", "loadmodule "].map(|word| text.lines().filter(|line| line.starts_with(word)).count());
        assert_eq!(includes, loads, "{text}");
        loads == 1
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        // One that a manager has started.
        if let Ok(pid) = fs::read_to_string(self.file("pid")) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
        }
    }
}

/// The server's program, by its whole path.
pub fn program() -> PathBuf {
    let name = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
    let output = Command::new("sh").args(["-c", "command -v \"$0\"", &name]).output().expect("sh");
    std::path::absolute(String::from_utf8_lossy(&output.stdout).trim()).expect("a path")
}
