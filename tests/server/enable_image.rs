//! The server of the image on data that another image has written, whatever its settings say.

use std::fs;

use testkit::{info, wait_until};

use crate::service::Service;

/// A shop that puts the image in place of another has an RDB file in its volume.
#[test]
fn the_image_does_not_start_empty_where_there_are_data() {
    let mut service = Service::new("save 3600 1\n");
    let config = service.config().display().to_string();
    service.start().expect("SET customer 1", "OK");
    service.stop();
    let said = service.image_refuses(&[&config]);
    assert!(said.contains("would\nstart without these data") && said.contains("--appendonly no"), "{said}");
    // What it says to do.
    let mut command = service.image(&[&config, "--appendonly", "no"], true);
    let mut client = service.run(&mut command);
    client.expect("CONFIG SET appendonly yes", "OK");
    for (figure, value) in
        [("aof_rewrite_scheduled", "0"), ("aof_rewrite_in_progress", "0"), ("aof_last_bgrewrite_status", "ok")]
    {
        assert!(said.contains(&format!("{figure}:{value}")), "{said}");
        wait_until("the file is written", || info(&mut client, "persistence")[figure] == value);
    }
    service.stop();
    let mut command = service.image(&[&config], true);
    let mut client = service.run(&mut command);
    assert_eq!(client.say("GET customer").text(), "1");
    client.expect("STOCK.SET sku:618 100", "*OK*");
    service.stop();
    // Both files are there now, and a file of its own says that none is wanted.
    let mut command = service.image(&[&config, "--save", "3600 1"], true);
    service.run(&mut command).expect("STOCK.AVAILABLE sku:618", "*100*");
}

/// The script takes from files and options what the server takes: where it starts the server, the
/// data are there; and where it does not, the server would be empty.
#[test]
fn the_image_reads_settings_as_the_server_does() {
    let away = ("dir PLACE/away\n", true);
    for ((file, is_refused), options) in [
        (("", true), &[][..]),
        (("appendonly no\n", false), &[]),
        (("APPENDONLY 'NO'\n", false), &[]),
        (("appendonly \"n\\x6f\"\r\n", false), &[]),
        (("# appendonly no\n", true), &[]),
        (("appendonly no\nappendonly \"yes\"\n", true), &[]),
        // Options win over the file, and the last of them over the others.
        (("appendonly no\n", true), &["--appendonly", "yes"]),
        (("", false), &["--AppendOnly", "No"]),
        (("", false), &["--appendonly no"]),
        (("", false), &["--appendonly 'no'"]),
        (("", false), &["--save", "--appendonly", "no"]),
        (("", false), &["--save", "3600", "1", "--appendonly", "no"]),
        (("", true), &["--appendonly", "no", "--appendonly", "yes"]),
        // A value that looks like an option.
        (("", true), &["--syslog-ident", "--appendonly", "--maxmemory", "0"]),
        // Where the data are.
        (("dir 'PLACE'\ndbfilename 'other name'\n", false), &[]),
        (("dbfilename 'other name'\n", false), &[]),
        (("dir PLACE/away\ndir ..\n", true), &[]),
        (away, &["--dir", "PLACE"]),
        (away, &["--dir", ".."]),
        (away, &["--DIR PLACE"]),
        (away, &["--dir \"PLACE\""]),
        (away, &["--dir", "..", "--dbfilename", "dump.rdb"]),
        // What is included, where it stands; relative to the directory of that moment.
        (("include PLACE/no.conf\n", false), &[]),
        (("include 'PLACE/no.conf'\n", false), &[]),
        (("include \"PLACE/n*.conf\"\n", false), &[]),
        (("include no.conf\n", false), &[]),
        (("include no.conf\nappendonly yes\n", true), &[]),
        (("dir away\ninclude ../no.conf\ndir ..\n", false), &[]),
        (("include further.conf\n", false), &[]),
        (("", false), &["--include", "no.conf"]),
        // An append-only file is its manifest.
        (("appenddirname empty\n", true), &[]),
        (("appenddirname other\n", true), &[]),
        (("appendfilename gone.aof\n", true), &[]),
        (("appendfilename none.aof\n", true), &[]),
    ] {
        let mut service = Service::new("save 3600 1\n");
        service.start().expect("SET customer 1", "OK");
        service.stop();
        for directory in ["away", "empty", "other"] {
            fs::create_dir(service.file(directory)).expect("a directory");
        }
        for (name, text) in [
            ("no.conf", "appendonly no\n"),
            ("further.conf", "dir away\ninclude ../no.conf\ndir ..\n"),
            ("other/other.aof.manifest", "something"),
            ("none.aof", ""),
            ("file.conf", file),
        ] {
            fs::write(service.file(name), service.placed(text)).expect("a file");
        }
        let mut words = vec![service.file("file.conf").display().to_string()];
        words.extend(options.iter().map(|word| service.placed(word)));
        let listens = service.placed("--port 0|--unixsocket PLACE/socket|--logfile PLACE/log");
        words.extend(listens.split('|').map(String::from));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = if is_refused { service.image_refuses(&words) } else { String::new() };
        let mut command = service.image(&words, !is_refused);
        let keys = service.run(&mut command).say("DBSIZE").int();
        let elsewhere = file.contains("other name") || file.contains("dir PLACE/away") && options.is_empty();
        assert_eq!(keys, i64::from(!is_refused && !elsewhere), "{file}{options:?}");
        assert_eq!(said.contains("append-only file: with"), is_refused, "{file}{options:?}: {said}");
    }
}

/// Where it cannot know, it says so; what the server refuses, it leaves to the server.
#[test]
fn the_image_does_not_guess() {
    let mut service = Service::new("save 3600 1\n");
    service.start().expect("SET customer 1", "OK");
    service.stop();
    for (file, options, reason) in [
        ("dir \"PLACE\"x\n", vec![], "line 1 of the configuration or of the options is not understood"),
        ("include PLACE/file.conf\n", vec![], "includes lie too deep"),
        ("", vec!["-"], "settings from the standard input"),
        // Not as other programs take it.
        ("appendonly no\n", vec!["--dir=PLACE"], "Bad directive"),
        ("appendonly no\n", vec!["--dir", "PLACE", "more"], "wrong number of arguments"),
    ] {
        fs::write(service.file("file.conf"), service.placed(file)).expect("a file");
        let mut words = vec![service.file("file.conf").display().to_string()];
        words.extend(options.iter().map(|word| service.placed(word)));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = service.image_refuses(&words);
        assert!(said.contains(reason), "{reason}: {said}");
    }
}
