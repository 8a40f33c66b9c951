//! `redis-stock-enable` with a real server whose configuration it changes: what the server held is
//! there after the restart, whatever kept it, and what could not be loaded any more is not turned
//! off.

use testkit::client::Client;
use testkit::server::module;
use testkit::{info, wait_until};

use crate::service::Service;

/// With the module goes the append-only file, which a server that had none reads in place of its
/// data.
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

/// From now on the server writes each of its files for about a second.
fn slow_down(client: &mut Client) {
    for i in 0..20 {
        client.expect(&format!("SET filler-{i} 1"), "OK");
    }
    client.expect("CONFIG SET rdb-key-save-delay 50000", "OK");
}

fn figure(client: &mut Client, name: &str) -> String {
    info(client, "persistence")[name].clone()
}

/// `CONFIG GET appendonly` says yes from the moment on in which the file begins to be written.
#[test]
fn an_append_only_file_that_is_not_complete_is_waited_for() {
    for is_scheduled in [false, true] {
        let mut service = Service::new("save \"\"\n");
        let mut client = service.start();
        client.expect("SET customer 1", "OK");
        slow_down(&mut client);
        if is_scheduled {
            client.expect("BGSAVE", "Background saving started");
        }
        client.expect("CONFIG SET appendonly yes", "OK");
        let waiting = if is_scheduled { "aof_rewrite_scheduled" } else { "aof_rewrite_in_progress" };
        assert_eq!(figure(&mut client, waiting), "1");
        service.enabled(&[]);
        assert!(service.is_on());
        // As the script leaves it, without a moment more.
        service.kill();
        assert_eq!(service.start().say("GET customer").text(), "1", "{waiting}");
    }
}

/// What `CONFIG REWRITE` makes of the configuration, as Sentinel calls it, loads the module once,
/// and is taken back.
#[test]
fn a_server_that_rewrites_its_configuration_starts() {
    let mut service = Service::new("save \"\"\n");
    service.start();
    service.enabled(&[]);
    let mut client = service.restart();
    client.script(
        "STOCK.SET sku:618 5
         CONFIG SET stock.hold-seconds 600
         CONFIG REWRITE",
    );
    assert!(service.text().contains("stock.hold-seconds 600"), "{}", service.text());
    assert!(service.is_on());
    let mut client = service.restart();
    client.expect("STOCK.AVAILABLE sku:618", "*5*");
    client.expect("DEL sku:618", "1");
    client.expect("SET customer 1", "OK");
    service.enabled(&["--off"]);
    assert!(!service.is_on() && !service.text().contains("stock."), "{}", service.text());
    let mut client = service.restart();
    client.expect("STOCK.AVAILABLE sku:618", "-ERR unknown command*");
    assert_eq!(client.say("GET customer").text(), "1");
}

/// A configuration of an older package includes a file that loads the module itself. It gets the
/// line when that file has it no longer.
#[test]
fn what_an_older_package_has_enabled_goes_on() {
    let mut service = Service::new("");
    let module = module().to_string_lossy().into_owned();
    let drop_in = std::fs::read_to_string(service.file("drop-in.conf")).expect("the file");
    let older = format!("loadmodule {module}\n{drop_in}");
    std::fs::write(service.file("drop-in.conf"), &older).expect("the older file");
    service.enabled(&[]);
    assert!(service.text().contains("\ninclude ") && !service.text().contains("loadmodule"), "{}", service.text());
    service.start().expect("STOCK.SET sku:618 5", "*OK*");
    service.enabled(&[]);
    service.restart().expect("STOCK.AVAILABLE sku:618", "*5*");
    std::fs::write(service.file("drop-in.conf"), drop_in).expect("the newer file");
    service.enabled(&[]);
    assert!(service.is_on());
    service.restart().expect("STOCK.AVAILABLE sku:618", "*5*");
    // Both, and no server starts.
    std::fs::write(service.file("drop-in.conf"), older).expect("the older file");
    service.refuses(&[], "", "both load the module");
}

/// As the server reads them.
#[test]
fn values_in_quotes() {
    for dir in ["'PLACE/da ta'", "\"PLACE/da ta\"", "\"PLACE/da\\x20ta\"", "PLACE/da\" ta\""] {
        let socket = "UnixSocket 'PLACE/socket'";
        let mut service = Service::with(&format!("port 0\n{socket}\n DIR\t{dir}\nlogfile PLACE/log\nSAVE '3600' 1\n"));
        std::fs::create_dir(service.file("da ta")).expect("a directory");
        let mut client = service.start();
        client.expect("SET customer 1", "OK");
        service.stop();
        service.refuses(&[], "", &service.placed("has data in PLACE/da ta"));
        service.start();
        service.enabled(&[]);
        assert_eq!(service.restart().say("GET customer").text(), "1", "{dir}");
    }
}

/// Its address, too, may stand in a file that is included: then it is not found while it runs.
#[test]
fn a_server_that_runs_is_asked_for_what_is_included() {
    let mut service = Service::with("include PLACE/more.conf\nunixsocket PLACE/socket\nport 0\n");
    std::fs::write(service.file("more.conf"), service.placed("dir PLACE\nsave \"\"\nlogfile PLACE/log\n"))
        .expect("a file");
    service.start().expect("SET customer 1", "OK");
    service.enabled(&[]);
    let mut client = service.restart();
    assert_eq!(client.say("GET customer").text(), "1");
    client.expect("SET customer 2", "OK");
    // The file that is included may say `appendonly` at any time.
    for (more, value) in [("appendonly yes\n", "2"), ("appendonly no\n", "3")] {
        service.enabled(&["--off"]);
        client.expect("SET later 1", "OK");
        let before = std::fs::read_to_string(service.file("more.conf")).expect("the file");
        std::fs::write(service.file("more.conf"), format!("{before}{more}")).expect("a longer one");
        client = service.restart();
        assert_eq!(client.say("GET customer").text(), value, "{more}");
        assert_eq!(client.say("GET later").text(), "1", "{more}");
        client.expect("SET customer 3", "OK");
        service.enabled(&[]);
        client = service.restart();
    }
}

/// A file that was begun while there were pools holds commands of the module.
#[test]
fn a_rewrite_from_before_does_not_count_when_it_is_turned_off() {
    let mut service = Service::new("save \"\"\nappendonly yes\n");
    service.start();
    service.enabled(&[]);
    let mut client = service.restart();
    slow_down(&mut client);
    client.script(
        "STOCK.SET sku:618 5
         BGREWRITEAOF => *
         STOCK.RESERVE sku:618 o 1 => *
         DEL sku:618 => 1",
    );
    assert_eq!(figure(&mut client, "aof_rewrite_in_progress"), "1");
    service.enabled(&["--off"]);
    assert_eq!(service.restart().say("DBSIZE").int(), 20);
}

/// The append-only file was turned off by hand, and the configuration, without the module, has it
/// on.
#[test]
fn both_files_are_new_when_it_is_turned_off() {
    let mut service = Service::new("save \"\"\nappendonly yes\n");
    service.start();
    service.enabled(&[]);
    let mut client = service.restart();
    client.script(
        "STOCK.SET sku:618 5
         CONFIG SET appendonly no
         DEL sku:618 => 1
         SET customer 1",
    );
    service.enabled(&["--off"]);
    client.expect("SET later 1", "OK");
    let mut client = service.restart();
    assert_eq!(client.say("GET customer").text(), "1");
    assert_eq!(client.say("GET later").text(), "1");
}

const RUNS: &str = "test -S PLACE/socket && redis-cli -s PLACE/socket ping >/dev/null";
const STOPS: &str = "kill $(cat PLACE/pid); while [ -e PLACE/pid ]; do sleep 0.05; done";

/// A service that is active is restarted, and what it says about that is true.
#[test]
fn a_service_that_does_not_start_again_is_an_error() {
    let mut service = Service::new("save \"\"\npidfile PLACE/pid\n");
    service.manager(RUNS, &format!("{STOPS}; SERVER PLACE/no-such-service.conf --daemonize yes >/dev/null 2>&1"));
    service.start().expect("SET customer 1", "OK");
    let output = service.enabled(&[]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Restart the server"), "{output:?}");
    service.ended();
    let mut client = service.client().expect("a server that answers");
    assert_eq!(client.say("GET customer").text(), "1");
    client.expect("STOCK.SET sku:618 5", "*OK*");
    service.refuses(&["--off"], "", "the server has pools (1,");
    client.expect("DEL sku:618", "1");
    service.enabled(&["--off"]);
    let mut client = service.client().expect("a server that answers");
    client.expect("STOCK.AVAILABLE sku:618", "-ERR unknown command*");
    // Writes are not paused any more.
    client.expect("SET customer 2", "OK");
    // It starts, as a manager sees it, and ends at once.
    service.manager(RUNS, STOPS);
    let output = service.enable(&[], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no-such-service-server does not start again"), "{said}");
    assert!(said.contains("--off --force") && service.is_on(), "{said}");
    assert_eq!(service.start().say("GET customer").text(), "2");
}

/// What is stopped stays stopped.
#[test]
fn a_service_that_is_not_active_is_not_started() {
    let service = Service::new("");
    service.manager("exit 3", "touch PLACE/restarted");
    service.enabled(&[]);
    assert!(service.is_on());
    service.enabled(&["--off"]);
    assert!(!service.is_on() && !service.file("restarted").exists());
}
