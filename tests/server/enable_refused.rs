//! Where `redis-stock-enable` cannot know what becomes of the data, it refuses, says why, and
//! changes nothing.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use redis_stock::command::spec::Access;
use redis_stock::command::TABLE;
use testkit::client::encode;
use testkit::info;
use testkit::server::module;

use crate::arriving;
use crate::service::Service;

/// The running server does not say what has to be known.
#[test]
fn a_server_that_does_not_say_it() {
    for (lines, reason) in [
        ("rename-command CONFIG \"\"\n", "does not say whether it writes an append-only file"),
        ("user default on nopass ~* &* +@all -config|get\n", "does not say whether it writes an append-only file"),
        ("rename-command INFO \"\"\n", "is not understood: ERR unknown command"),
        ("requirepass word\nrename-command AUTH \"\"\n", "wants a password"),
    ] {
        let mut service = Service::new(lines);
        service.start();
        service.refuses(&[], "", reason);
        let on = format!("{}include PLACE/drop-in.conf\nloadmodule {}\n", service.text(), module().display());
        fs::write(service.config(), service.placed(&on)).expect("the configuration");
        service.restart();
        service.refuses(&["--off"], "", reason);
    }
}

/// A server that does not run, and whose data may be anywhere.
#[test]
fn a_stopped_server_whose_data_cannot_be_found() {
    let here = "port 0\nunixsocket PLACE/socket\n";
    for (config, reason) in [
        (here.to_string(), "does not say by a whole path where its data are"),
        (format!("{here}dir .\n"), "does not say by a whole path where its data are"),
        (format!("{here}dir PLACE\ninclude PLACE/more.conf\n"), "includes PLACE/more.conf"),
        (format!("{here}dir PLACE\ninclude 'PLACE/m*.conf'\n"), "includes PLACE/m*.conf"),
        ("port 0\ndir PLACE\n".into(), "port 0 and no unixsocket"),
        ("port 0\nunixsocket ''\ndir PLACE\n".into(), "port 0 and no unixsocket"),
        (format!("{here}dir 'PLACE\n"), "is not understood: dir 'PLACE"),
        (format!("{here}dir 'PLACE'x\n"), "is not understood: dir 'PLACE'x"),
        (format!("{here}dir PLACE\npidfile PLACE/pid\n"), "runs, but this did not find it"),
    ] {
        let service = Service::with(&config);
        fs::write(service.file("more.conf"), "").expect("a file");
        // Of a process that runs: this one.
        fs::write(service.file("pid-of-the-test"), std::process::id().to_string()).expect("a file");
        if config.contains("pidfile") {
            let other = service.text().replace("/pid\n", "/pid-of-the-test\n");
            fs::write(service.config(), other).expect("the configuration");
        }
        service.refuses(&[], "", &service.placed(reason));
        let on = service.placed("include PLACE/drop-in.conf\n");
        fs::write(service.config(), format!("{}{on}", service.text())).expect("the configuration");
        service.refuses(&["--off"], "", &service.placed(reason));
        assert!(service.enable(&["--off", "--force"], "").status.success());
        assert!(!service.text().contains("drop-in"));
    }
}

/// A stopped server that has no data yet, or an append-only file that it reads in either case.
#[test]
fn a_stopped_server_is_judged_by_its_files() {
    for (lines, files, reason) in [
        ("", vec![], ""),
        ("", vec!["appendonlydir/"], ""),
        ("", vec!["dump.rdb"], "would start empty. Start it first"),
        ("dbfilename 'my dump'\n", vec!["my dump"], "would start empty. Start it first"),
        ("", vec!["appendonlydir/", "appendonlydir/appendonly.aof.manifest"], "would start empty. Start it first"),
        ("AppendOnly YES\n", vec!["dump.rdb"], "an RDB file in"),
        ("appendonly yes\n", vec!["dump.rdb", "appendonlydir/"], "an RDB file in"),
        ("appendonly yes\n", vec!["dump.rdb", "appendonlydir/", "appendonlydir/other.manifest"], "an RDB file in"),
        ("appendonly yes\n", vec!["dump.rdb", "appendonlydir/", "appendonlydir/appendonly.aof.manifest"], ""),
        ("appendonly yes\nappendfilename a\nappenddirname b\n", vec!["dump.rdb", "b/", "b/a.manifest"], ""),
        ("appendonly yes\n", vec!["dump.rdb", "appendonly.aof"], ""),
    ] {
        let service = Service::new(lines);
        for file in &files {
            match file.strip_suffix('/') {
                Some(directory) => fs::create_dir(service.file(directory)).expect("a directory"),
                None => fs::write(service.file(file), "something").expect("a file"),
            }
        }
        match reason {
            "" => assert!(service.enable(&[], "").status.success() && service.is_on(), "{lines}{files:?}"),
            _ => service.refuses(&[], "", reason),
        }
    }
}

/// Another server listens where the configuration says that its own does.
#[test]
fn another_server_answers() {
    let mut other = Service::new("");
    other.start();
    let service = Service::with(&other.placed("port 0\nunixsocket PLACE/socket\ndir /nowhere\n"));
    service.refuses(&[], "", "another server answers");
    service.refuses(&[], "", &other.config().display().to_string());
}

/// What the server writes is not what it would read.
#[test]
fn a_server_that_writes_elsewhere() {
    let mut service = Service::new("save \"\"\nenable-protected-configs yes\n");
    let mut client = service.start();
    fs::create_dir(service.file("other")).expect("a directory");
    let other = service.file("other").display().to_string();
    client.expect(&format!("CONFIG SET dir {other}"), "OK");
    service.refuses(&[], "", &format!("writes to '{other}'"));
    client.expect(&service.placed("CONFIG SET dir PLACE"), "OK");
    service.enabled(&[]);
    let mut client = service.restart();
    client.expect("CONFIG SET dbfilename other.rdb", "OK");
    service.refuses(&["--off"], "", "writes 'other.rdb'");
}

/// The file cannot be written: the server goes on without it, as before.
#[test]
fn a_file_that_cannot_be_written() {
    let mut service = Service::new("save \"\"\nappenddirname taken\n");
    fs::write(service.file("taken"), "no directory").expect("a file");
    let mut client = service.start();
    service.refuses(&[], "", "would be empty after its restart");
    assert_eq!(client.say("CONFIG GET appendonly").items()[1].text(), "no");
    // One that says it is on, and whose last rewrite failed.
    let mut service = Service::new("save \"\"\nappendonly yes\n");
    let mut client = service.start();
    let base = fs::read_dir(service.file("appendonlydir")).expect("the files").count();
    assert!(base > 0);
    fs::rename(service.file("appendonlydir"), service.file("away")).expect("a directory");
    fs::write(service.file("appendonlydir"), "no directory").expect("a file");
    client.say("BGREWRITEAOF");
    service.refuses(&[], "", "would be empty after its restart");
}

/// A module that is loaded twice stops the start.
#[test]
fn a_server_that_has_the_module_already() {
    let line = format!("loadmodule {}\n", module().display());
    let mut service = Service::new("include PLACE/more.conf\n");
    fs::write(service.file("more.conf"), &line).expect("a file");
    service.start();
    service.refuses(&[], "", "has loaded the module already");
    let service = Service::new(&line);
    service.refuses(&[], "", "by its line loadmodule");
}

/// A pool that still loads in pieces needs the module, too.
#[test]
fn partial_pools_count() {
    let mut service = Service::new("save \"\"\nauto-aof-rewrite-percentage 0\n");
    service.start();
    service.enabled(&[]);
    service.restart();
    service.stop();
    let files =
        fs::read_dir(service.file("appendonlydir")).expect("the files").map(|file| file.expect("a file").path());
    let log = files.into_iter().find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("a log");
    let mut log = fs::OpenOptions::new().append(true).open(log).expect("the log");
    log.write_all(&encode(&["SELECT", "0"])).expect("a command");
    log.write_all(&encode(&arriving::small())).expect("a piece");
    let mut client = service.start();
    let stock = info(&mut client, "stock");
    assert_eq!((stock["stock_pools"].as_str(), stock["stock_partial_pools"].as_str()), ("0", "1"));
    service.refuses(&["--off"], "", "the server has pools (1,");
    client.expect("DEL k", "1");
    service.enabled(&["--off"]);
    service.restart().expect("STOCK.GET k", "-ERR unknown command*");
}

/// What would be lost, or could not be read, between the files and the restart.
#[test]
fn what_happens_while_it_is_turned_off() {
    let mut service = Service::new("save \"\"\n");
    service.manager("test -S PLACE/socket", "touch PLACE/restarted");
    service.start();
    service.enable(&[], "");
    let mut client = service.restart();
    let _ = fs::remove_file(service.file("restarted"));
    // A pool is made and deleted while the files are written: their commands are in one of them.
    for i in 0..20 {
        client.expect(&format!("SET filler-{i} 1"), "OK");
    }
    client.expect("CONFIG SET rdb-key-save-delay 50000", "OK");
    std::thread::scope(|scope| {
        let refused = scope.spawn(|| service.refuses(&["--off"], "", "were called while the files were written"));
        testkit::wait_until("a file is written", || info(&mut client, "persistence")["rdb_bgsave_in_progress"] == "1");
        client.expect("STOCK.SET sku:618 5", "*OK*");
        client.expect("DEL sku:618", "1");
        refused.join().expect("the script");
    });
    // As it was: writes go on, long before their pause would end, and nothing is saved that was not
    // to be.
    let began = Instant::now();
    client.expect("SET customer 1", "OK");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(client.say("CONFIG GET save").items()[1].text(), "");
    client.expect("CONFIG SET rdb-key-save-delay 0", "OK");
    // Nothing would be saved when it stops.
    client.expect("CONFIG SET shutdown-on-sigterm nosave", "OK");
    service.refuses(&["--off"], "", "saves nothing when it stops (shutdown-on-sigterm)");
    client.expect("CONFIG SET shutdown-on-sigterm default", "OK");
    client.expect("ACL SETUSER default -config|set", "OK");
    service.refuses(&["--off"], "", "that cannot be changed (CONFIG SET save): NOPERM");
    client.expect("ACL SETUSER default +config|set -client|pause", "OK");
    service.refuses(&["--off"], "", "writes cannot be paused");
    assert_eq!(client.say("CONFIG GET save").items()[1].text(), "");
    assert!(!service.file("restarted").exists());
}

/// The script knows which commands leave nothing in the append-only file.
#[test]
fn the_script_names_the_commands_that_read() {
    let script = fs::read_to_string("packaging/redis-stock-enable").expect("the script");
    let line = script.lines().find_map(|line| line.strip_prefix("reads=")).expect("the line");
    let mut named: Vec<&str> = line.trim_matches('"').split(' ').collect();
    let reads = TABLE.iter().filter(|spec| matches!(spec.access, Access::Read));
    let mut names: Vec<String> = reads.map(|spec| spec.name.trim_start_matches("STOCK.").to_lowercase()).collect();
    names.sort();
    named.sort_unstable();
    assert_eq!(names, named);
}
