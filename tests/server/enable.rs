//! `redis-stock-enable` with a real server whose configuration it changes: what the server held is there
//! after the restart, whatever kept it, and what could not be loaded any more is not turned off. The image
//! on data that another image has written.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use testkit::client::Client;
use testkit::server::module;
use testkit::{info, poll, wait_until};

const DROP_IN: &str = "/etc/redis/redis-stock.conf";

/// A server that starts with a configuration file, as a service does, and no service manager knows.
struct Service {
    dir: TempDir,
    child: Option<Child>,
}

impl Service {
    fn new(lines: &str) -> Service {
        let dir = tempfile::Builder::new().prefix("stock-").tempdir().expect("a directory");
        let service = Service { dir, child: None };
        let place = service.dir.path().display();
        let config = format!("port 0\nunixsocket {place}/socket\ndir {place}\nlogfile {place}/log\n{lines}");
        fs::write(service.config(), config).expect("a configuration");
        let drop_in = fs::read_to_string("packaging/redis-stock.conf").expect("what the package includes");
        let loads = drop_in.replace("/usr/lib/redis/modules/libredis_stock.so", &module().to_string_lossy());
        assert_ne!(loads, drop_in);
        fs::write(service.file("drop-in.conf"), loads).expect("what is included");
        let script = fs::read_to_string("packaging/redis-stock-enable").expect("the script");
        let ours = service.file("drop-in.conf").display().to_string();
        assert!(script.contains(DROP_IN));
        fs::write(service.file("enable"), script.replace(DROP_IN, &ours)).expect("the script");
        service
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.file("no-such-service.conf")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.config()).expect("the configuration")
    }

    #[track_caller]
    fn start(&mut self) -> Client {
        let mut command = Command::new(program());
        command.arg(self.config());
        self.run(&mut command)
    }

    /// As the image starts it, with these options behind the configuration.
    fn image(&self, options: &[&str]) -> Command {
        let script = fs::read_to_string("packaging/server-entrypoint").expect("the script");
        let ours = script.replace("/usr/lib/redis/modules/libredis_stock.so", &module().to_string_lossy());
        assert_ne!(script, ours);
        // /data is the image's own.
        let ours = ours.replace("--dir /data", &format!("--dir {}", self.dir.path().display()));
        fs::write(self.file("entrypoint"), ours).expect("the script");
        let _ = std::os::unix::fs::symlink(program(), self.file("redis-server"));
        let path = format!("{}:{}", self.dir.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.arg(self.file("entrypoint")).arg(self.config()).args(options).env("PATH", path);
        command
    }

    #[track_caller]
    fn run(&mut self, command: &mut Command) -> Client {
        let _ = fs::remove_file(self.file("socket"));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the server");
        let client = poll("the server answers", || {
            let log = || fs::read_to_string(self.file("log")).unwrap_or_default();
            assert!(child.try_wait().expect("its state").is_none(), "the server does not start:\n{}", log());
            let mut client = Client::unix(&self.file("socket")).ok()?;
            let answer = client.try_call(&["PING"]).ok()?;
            ["PONG", "NOAUTH"].iter().any(|word| answer.to_string().contains(word)).then_some(client)
        });
        self.child = Some(child);
        client
    }

    /// As a service manager does it.
    #[track_caller]
    fn stop(&mut self) {
        let mut child = self.child.take().expect("a server that runs");
        assert!(Command::new("kill").arg(child.id().to_string()).status().expect("kill").success());
        wait_until("the server ends", || child.try_wait().expect("its state").is_some());
    }

    #[track_caller]
    fn restart(&mut self) -> Client {
        self.stop();
        self.start()
    }

    fn enable(&self, words: &[&str], password: &str) -> Output {
        let mut command = Command::new("sh");
        command.arg(self.file("enable")).args(words).arg(self.config());
        // Where systemd runs, it knows no such service: the configuration is written by then.
        command.env("REDISCLI_AUTH", password).output().expect("the script")
    }

    /// Refused: nothing is written, and the reason has these words.
    #[track_caller]
    fn refuses(&self, words: &[&str], password: &str, reason: &str) {
        let before = self.text();
        let output = self.enable(words, password);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(said.contains(reason), "{said}");
        assert_eq!(self.text(), before);
    }

    #[track_caller]
    fn is_on(&self) -> bool {
        self.text().lines().any(|line| line.starts_with("include "))
    }
}

/// The server's program, by its whole path.
fn program() -> PathBuf {
    let name = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
    let output = Command::new("sh").args(["-c", "command -v \"$0\"", &name]).output().expect("sh");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// With the module goes the append-only file, which a server that had none reads in place of its data.
#[test]
fn what_a_server_held_is_there_when_the_module_is_on_and_when_it_is_off_again() {
    for (kept_by, lines) in [
        ("an RDB file", "save 3600 1\n"),
        ("nothing at the end", "save \"\"\n"),
        ("an append-only file", "save \"\"\nappendonly yes\n"),
        ("an append-only file of commands", "save \"\"\nappendonly yes\naof-use-rdb-preamble no\n"),
    ] {
        let mut service = Service::new(lines);
        let mut client = service.start();
        client.expect("SET customer 1", "OK");
        let output = service.enable(&[], "");
        assert!(service.is_on(), "{kept_by}: {output:?}");
        client.expect("SET while-on 1", "OK");
        let mut client = service.restart();
        assert_eq!(client.say("GET customer").text(), "1", "{kept_by}");
        assert_eq!(client.say("GET while-on").text(), "1", "{kept_by}");
        client.expect("STOCK.SET sku:618 100", "OK*");
        let mut client = service.restart();
        client.expect("STOCK.AVAILABLE sku:618", "*100*");

        service.refuses(&["--off"], "", "the server has pools (1,");
        client.expect("DEL sku:618", "*1");
        client.expect("SET customer 2", "OK");
        let output = service.enable(&["--off"], "");
        assert!(!service.is_on(), "{kept_by}: {output:?}");
        client.expect("SET while-off 1", "OK");
        let mut client = service.restart();
        assert_eq!(client.say("GET customer").text(), "2", "{kept_by}");
        assert_eq!(client.say("GET while-off").text(), "1", "{kept_by}");
        client.expect("STOCK.AVAILABLE sku:618", "-ERR unknown command*");

        // The append-only file of the first time is there, and is not what is read.
        client.expect("SET customer 3", "OK");
        let output = service.enable(&[], "");
        assert!(service.is_on(), "{kept_by}: {output:?}");
        let mut client = service.restart();
        assert_eq!(client.say("GET customer").text(), "3", "{kept_by}");
    }
}

/// A server with a password says nothing else before it is given, also while it loads its data.
#[track_caller]
fn log_in(mut client: Client) -> Client {
    client.call(&["AUTH", "a word"]);
    wait_until("the data are loaded", || client.say("PING").to_string() == "PONG");
    client
}

#[test]
fn a_server_that_cannot_be_asked_is_left_as_it_is() {
    let mut service = Service::new("save 3600 1\nrequirepass \"a word\"\n");
    let mut client = service.start();
    client.expect("PING", "-NOAUTH*");
    service.refuses(&[], "wrong", "REDISCLI_AUTH");
    let mut client = log_in(client);
    client.expect("SET customer 1", "OK");
    service.stop();
    // Stopped, with data that it would not read with the module on.
    service.refuses(&[], "", "would start empty");
    log_in(service.start());
    // The password of the configuration.
    let output = service.enable(&[], "");
    assert!(service.is_on(), "{output:?}");
    let mut client = log_in(service.restart());
    assert_eq!(client.say("GET customer").text(), "1");
    client.expect("STOCK.SET sku:618 100", "OK*");
    service.stop();
    service.refuses(&["--off"], "", "start it first");
    let output = service.enable(&["--off", "--force"], "");
    assert!(!service.is_on(), "{output:?}");
}

/// A cache that had room made for it by throwing keys away is told what changes.
#[test]
fn a_cache_is_told_that_nothing_is_evicted_any_more() {
    let mut service = Service::new("save \"\"\nmaxmemory 1gb\nmaxmemory-policy allkeys-lru\n");
    let _client = service.start();
    let output = service.enable(&[], "");
    assert!(service.is_on(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("allkeys-lru"), "{output:?}");
}

/// A shop that puts the image in place of another has an RDB file in its volume.
#[test]
fn the_image_does_not_start_empty_where_there_are_data() {
    let mut service = Service::new("save 3600 1\n");
    service.start().expect("SET customer 1", "OK");
    service.stop();
    let output = service.image(&[]).output().expect("sh");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("would\nstart without these data") && said.contains("--appendonly no"), "{said}");
    // What it says to do.
    let mut command = service.image(&["--appendonly", "no"]);
    let mut client = service.run(&mut command);
    client.expect("CONFIG SET appendonly yes", "OK");
    wait_until("the file is written", || info(&mut client, "persistence")["aof_rewrite_in_progress"] == "0");
    service.stop();
    let mut command = service.image(&[]);
    let mut client = service.run(&mut command);
    assert_eq!(client.say("GET customer").text(), "1");
    client.expect("STOCK.SET sku:618 100", "*OK*");
    service.stop();
    // Both files are there now, and a file of its own says that none is wanted.
    let mut command = service.image(&["--save", "3600 1"]);
    service.run(&mut command).expect("STOCK.AVAILABLE sku:618", "*100*");
}
