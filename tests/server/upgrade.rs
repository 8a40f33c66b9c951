//! Data sets that other builds wrote: an older one's is read pool by pool as it was, a newer one's
//! stops the server.
//!
//! `tests/golden/upgrade-vN.rdb.gz` is what Redis 7.0.15 saved with a module of encoding version N:
//! 1,000 random pools, and what that module said of each (`DEBUG DIGEST-VALUE` and `STOCK.GET`, in
//! the hash `said`). `upgrade-vN.aof.gz` is an append-only file of 60 such pools, commands only.
//! Version 1 is the build 906ba86, version 2 the build 0d0e170. [`write_the_files`] says how they
//! are made; the files of a version that was released stay as they are.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use redis_stock::core::codec::VERSION;
use testkit::generate::{Generator, Profile, START_MS};
use testkit::{args, client::encode, stock_info, wait_until, Client, Server, Value};

/// When the files were written: the new year of UTC has begun.
const END_MS: i64 = START_MS + 14_000;
const IN_RDB: usize = 1_000;
const IN_AOF: usize = 60;

fn path(version: i32, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/upgrade-v{version}.{kind}.gz"))
}

fn unpacked(version: i32, kind: &str) -> Vec<u8> {
    let path = path(version, kind);
    let output = Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip runs");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// STOCK.GET as lines `field: value`.
fn lines(map: &Value) -> Vec<String> {
    map.pairs().into_iter().map(|(field, value)| format!("{field}: {value}")).collect()
}

/// What the writer said of each pool: its digest, then the lines of STOCK.GET.
fn said(c: &mut Client) -> BTreeMap<String, Vec<String>> {
    let said = c.call(&["HGETALL", "said"]);
    said.pairs().into_iter().map(|(key, text)| (key, text.text().lines().map(String::from).collect())).collect()
}

/// Every pool is what its writer said.
#[track_caller]
fn compare(c: &mut Client, count: usize) -> Vec<String> {
    let said = said(c);
    assert_eq!(said.len(), count);
    let keys: Vec<String> = said.keys().cloned().collect();
    let ask = |command: &[&str]| -> Vec<Vec<String>> {
        let whole = |key: &String| command.iter().map(|word| word.to_string()).chain([key.clone()]).collect();
        keys.iter().map(whole).collect()
    };
    let digests = c.pipeline(&ask(&["DEBUG", "DIGEST-VALUE"]));
    let states = c.pipeline(&ask(&["STOCK.GET"]));
    let verified = c.pipeline(&ask(&["STOCK.VERIFY"]));
    for (at, key) in keys.iter().enumerate() {
        let (now, then) = (lines(&states[at]), &said[key]);
        for line in &then[1..] {
            assert!(now.contains(line), "{key}: it was {line}, and is now {now:?}");
        }
        assert_eq!(digests[at].items()[0].text(), then[0], "{key}, {now:?}");
        assert_eq!(verified[at].to_string(), "OK", "{key}");
    }
    keys
}

/// A server at the end of the history, whose files `put` places into its directory.
fn started_from(args: &[&str], put: impl Fn(&Path)) -> Option<Server> {
    let mut server = Server::at_time(END_MS, args)?;
    server.kill();
    put(server.dir());
    server.start_again();
    Some(server)
}

fn with_rdb(version: i32) {
    let rdb = unpacked(version, "rdb");
    let Some(server) = started_from(&[], |dir| fs::write(dir.join("dump.rdb"), &rdb).expect("the file")) else {
        return;
    };
    let mut c = server.client().resp3();
    let keys = compare(&mut c, IN_RDB);
    // They go on: holds fall due, goods come, orders are placed; and the newest encoding keeps them
    // all.
    server.set_clock(END_MS + 3_600_000);
    let mut calls: Vec<Vec<String>> = Vec::new();
    for key in &keys {
        let call = |line: &str| line.split(' ').map(String::from).collect();
        calls.extend([
            call(&format!("STOCK.SWEEP {key}")),
            call(&format!("STOCK.SET {key} 1000")),
            call(&format!("STOCK.RESERVE {key} upgraded 1 FOR user new region new store new group new")),
            call(&format!("STOCK.CONFIRM {key} upgraded")),
        ]);
    }
    let answers = c.pipeline(&calls);
    let failed = answers.iter().zip(&calls).find(|(answer, _)| answer.is_error());
    assert!(failed.is_none(), "{failed:?}");
    let sold = answers.iter().skip(3).step_by(4).filter(|answer| answer.to_string().starts_with("[OK, 1, ")).count();
    assert!(sold > IN_RDB / 2, "only {sold} pools still sell");
    let digests = |c: &mut Client| keys.iter().map(|key| c.digest(key)).collect::<Vec<_>>();
    let before = digests(&mut c);
    c.expect("DEBUG RELOAD", "OK");
    assert_eq!(digests(&mut c), before);
    keys.iter().for_each(|key| c.verify(key));
}

fn with_aof(version: i32) {
    let aof = unpacked(version, "aof");
    let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let put = |dir: &Path| {
        // The name that the server takes over from the time before its manifests.
        fs::remove_dir_all(dir.join("appendonlydir")).expect("the new files");
        fs::write(dir.join("appendonly.aof"), &aof).expect("the file");
    };
    let Some(server) = started_from(&args, put) else { return };
    let mut c = server.client().resp3();
    compare(&mut c, IN_AOF);
    assert_eq!(stock_info(&mut server.client(), "divergences"), 0);
}

#[test]
fn pools_of_version_1_are_read_from_a_snapshot() {
    with_rdb(1);
}

#[test]
fn pools_of_version_1_are_read_from_the_append_only_file() {
    with_aof(1);
}

#[test]
fn pools_of_version_2_are_read_from_a_snapshot() {
    with_rdb(2);
}

#[test]
fn pools_of_version_2_are_read_from_the_append_only_file() {
    with_aof(2);
}

/// The current version has its files; a new one gets its tests here.
#[test]
fn every_version_has_its_files() {
    for version in 1..=VERSION {
        for kind in ["rdb", "aof"] {
            assert!(path(version, kind).exists(), "version {version} has no {kind}: see write_the_files");
        }
    }
    assert_eq!(VERSION, 2, "tests of this version's files are missing above");
}

/// Going back to an older module: the server does not start on half of the data.
#[test]
fn a_snapshot_of_a_newer_module_stops_the_server() {
    let (server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK*");
    c.expect("SAVE", "OK");
    let mut rdb = fs::read(server.dir().join("dump.rdb")).expect("the snapshot");
    // The value's type: 0x81, then an id of 64 bits, of which the last ten are the version of the
    // encoding.
    let payload = c.call(&["DUMP", "k"]).bytes().to_vec();
    let id = payload[1..10].to_vec();
    assert_eq!((id[0], id[8]), (0x81, VERSION as u8), "a module's value");
    let mut newer = id.clone();
    newer[8] = VERSION as u8 + 1;
    let places: Vec<usize> = (0..rdb.len() - 9).filter(|&at| rdb[at..at + 9] == id[..]).collect();
    assert_eq!(places.len(), 1, "one pool is saved");
    rdb[places[0]..places[0] + 9].copy_from_slice(&newer);
    // No checksum.
    let end = rdb.len();
    rdb[end - 8..].fill(0);
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("dump.rdb"), &rdb).expect("the file");
    let log = Server::refuses(&["--dir", dir.path().to_str().expect("a path")]);
    let line =
        format!("encoding version {}; this module reads up to version {VERSION}: load a newer module", VERSION + 1);
    assert!(log.contains(&line), "{log}");
}

/// The same for what was sold since the snapshot: an effect that cannot be read is a sale that
/// would be lost.
#[test]
fn an_append_only_file_of_a_newer_module_stops_the_server() {
    let server = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--appendfsync", "always"]);
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK*");
    c.expect("STOCK.RESERVE k order-1 2", "*");
    let files = fs::read_dir(server.dir().join("appendonlydir")).expect("the files");
    let incr = files.map(|file| file.expect("a file").path()).find(|path| path.to_string_lossy().contains(".incr."));
    let mut aof = fs::read(incr.expect("the newest file")).expect("its bytes");
    // The last effect, whose first byte is the version; `$LEN\r\n` stands before it.
    let head = b"STOCK.EFFECT\r\n$1\r\nk\r\n$";
    let at = aof.windows(head.len()).rposition(|window| window == head).expect("an effect") + head.len();
    let version = at + aof[at..].iter().position(|&byte| byte == b'\n').expect("its length") + 1;
    assert_eq!(i32::from(aof[version]), VERSION);
    let refused = |aof: &[u8], line: &str| {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("appendonly.aof"), aof).expect("the file");
        let log = Server::refuses(&["--dir", dir.path().to_str().expect("a path"), "--appendonly", "yes"]);
        assert!(log.contains(line), "{log}");
    };
    // A change that only a newer module of the same encoding knows: its number is behind the
    // version, the time and the count.
    let code = version + 1 + varint(&aof[version + 1..]) + varint(&aof[version + 1 + varint(&aof[version + 1..])..]);
    let known = std::mem::replace(&mut aof[code], 0x7f);
    refused(&aof, "an effect cannot be read: ");
    aof[code] = known;
    aof[version] += 1;
    let newer = VERSION + 1;
    refused(&aof, &format!("encoding version {newer}; this module reads up to version {VERSION}: load a newer module"));
}

/// A file that was rewritten holds pools in pieces: one that cannot be read is a pool that would be
/// lost.
#[test]
fn a_rewritten_file_with_a_piece_that_cannot_be_read_stops_the_server() {
    let mut server = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--appendfsync", "always"]);
    let mut c = server.client();
    c.script(
        "STOCK.SET j 10
         STOCK.SET k 10
         STOCK.RESERVE k order-1 2 => [OK, *]",
    );
    c.rewrite_aof();
    // What came after it is in another file.
    c.expect("STOCK.RESERVE k order-2 3", "[OK, *]");
    let digest = c.digest("k");
    server.kill();
    let files = || -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(server.dir().join("appendonlydir")).expect("the files");
        files.map(|file| file.expect("a file").path()).map(|path| (path.clone(), fs::read(path).expect("it"))).collect()
    };
    let sound = files();
    let (base, aof) = sound.iter().find(|(path, _)| path.to_string_lossy().contains(".base.")).expect("the base");
    let place = |text: &[u8]| aof.windows(text.len()).rposition(|window| window == text).expect("it is there");
    // `STOCK.LOAD k MORE chunk VERSION 2`, with each length before its argument.
    let piece = place(b"STOCK.LOAD\r\n$1\r\nk\r\n$4\r\nMORE\r\n");
    let version = piece + aof[piece..].windows(7).position(|w| w == b"VERSION").expect("its encoding") + 13;
    assert_eq!(aof[version], b'0' + VERSION as u8);
    // The chunk ends with its end record: the kind, how much usage, how many orders.
    let end = version - 13 - 9;
    assert_eq!(aof[end..end + 5], *b"\x0b\x00\x01\r\n");
    let more = piece + 23;
    assert_eq!(aof[more..more + 4], *b"MORE");
    let newer = format!("has encoding version {}; this module reads up to version {VERSION}", VERSION + 1);
    let order = place(b"order-1");
    for (at, byte, line) in [
        (version, aof[version] + 1, newer.as_str()),
        (end, 0x7f, "cannot be read: a record is of no known kind"),
        (end + 2, 2, "cannot be read: records are missing"),
        // Twice as many units as the header says are held.
        (order + 7, aof[order + 7] * 2, "cannot be read: the sum of the holds is not what is reserved"),
        (more, b'F', "cannot be read: its arguments are of no known form"),
    ] {
        let mut damaged = aof.clone();
        damaged[at] = byte;
        fs::write(base, &damaged).expect("the file");
        let dir = server.dir().to_str().expect("a path");
        let log = Server::refuses(&["--dir", dir, "--appendonly", "yes"]);
        assert!(log.contains(&format!("a piece of the pool k {line}")), "{line}: {log}");
        assert!(log.contains("the append-only file cannot be loaded whole: the server does not start"), "{log}");
        // The try has changed nothing: with what is missing, or a module that reads it, it starts.
        fs::write(base, aof).expect("the file");
        assert_eq!(files(), sound, "{line}");
    }
    server.start_again();
    let mut c = server.client();
    assert_eq!((c.digest("k"), stock_info(&mut c, "divergences")), (digest, 0));
    c.expect("STOCK.AVAILABLE j k", "[10, 5]");
}

/// How many bytes the number at the beginning of these has.
fn varint(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| byte & 0x80 == 0).expect("its end") + 1
}

/// A replica that is older than its primary cannot stop what has happened: it says so, and counts
/// it.
#[test]
fn effects_of_a_newer_primary_are_named() {
    let source = Server::start();
    source.client().script("STOCK.SET k 10 => OK*\nSAVE => OK");
    let rdb = fs::read(source.dir().join("dump.rdb")).expect("the snapshot");
    let effect = [VERSION as u8 + 1, 1, 1];
    let primary = NewerPrimary::serving(rdb, vec![encode(&args!["STOCK.EFFECT", "k", &effect])]);
    let (replica, mut c) = Server::on_port(&[]).with_client();
    c.expect(&format!("REPLICAOF 127.0.0.1 {}", primary.port), "OK*");
    wait_until("the effect has come", || stock_info(&mut c, "divergences") == 1);
    let line = format!("encoding version {}; this module reads up to version {VERSION}", VERSION + 1);
    assert!(replica.log().contains(&line), "{}", replica.log());
    c.expect("STOCK.AVAILABLE k", "[10]");
    c.verify("k");
}

/// A slot moves to a newer primary: its replica would go on without the pool, until it is promoted.
/// It ends; nothing of the piece is in its file, and once it is started again it copies what the
/// primary has.
#[test]
fn a_replica_that_gets_a_piece_of_a_newer_primary_ends() {
    let source = Server::start();
    source.client().script("STOCK.SET k 10 => OK*\nSAVE => OK");
    let rdb = fs::read(source.dir().join("dump.rdb")).expect("the snapshot");
    // All that a newer module may put there, and what continues nothing.
    let version = (VERSION + 1).to_string();
    let newer = encode(&args!["STOCK.LOAD", "arriving", "MORE", "\x01", "VERSION", version]);
    let end = encode(&args!["STOCK.LOAD", "arriving", "END"]);
    let primary = NewerPrimary::serving(rdb, vec![newer, end, Vec::new()]);
    let mut replica = Server::on_port(&["--appendonly", "yes", "--appendfsync", "always"]);
    for line in [format!("has encoding version {version};"), "cannot be read: the pieces before it are missing".into()]
    {
        replica.client().expect(&format!("REPLICAOF 127.0.0.1 {}", primary.port), "OK*");
        replica.ends_by_itself();
        assert!(replica.log().contains(&format!("a piece of the pool arriving {line}")), "{}", replica.log());
        assert!(replica.log().contains("a replica must not go on without this pool: the server ends"));
        replica.start_again();
    }
    let mut c = replica.client();
    c.expect(&format!("REPLICAOF 127.0.0.1 {}", primary.port), "OK*");
    replica.wait_for_link();
    c.expect("STOCK.AVAILABLE k", "[10]");
    assert_eq!(stock_info(&mut c, "divergences"), 0);
}

/// Says to a replica what a primary of a later version would say: a snapshot, then one command.
/// Each connection gets the next.
struct NewerPrimary {
    port: u16,
}

impl NewerPrimary {
    fn serving(rdb: Vec<u8>, commands: Vec<Vec<u8>>) -> NewerPrimary {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            commands.iter().for_each(|command| {
                let (mut stream, _) = listener.accept().expect("the replica");
                let mut lines = BufReader::new(stream.try_clone().expect("the connection once more")).lines();
                let mut is_synced = false;
                while let Some(Ok(line)) = lines.next() {
                    match line.as_str() {
                        // From then on this connection carries commands, and no answers.
                        _ if is_synced => {}
                        "PING" => stream.write_all(b"+PONG\r\n").expect("an answer"),
                        "REPLCONF" => stream.write_all(b"+OK\r\n").expect("an answer"),
                        "PSYNC" => {
                            is_synced = true;
                            let head = format!("+FULLRESYNC {} 0\r\n${}\r\n", "a".repeat(40), rdb.len());
                            for part in [head.as_bytes(), &rdb, command] {
                                stream.write_all(part).expect("the data");
                            }
                        }
                        _ => {}
                    }
                }
            })
        });
        NewerPrimary { port }
    }
}

/// Writes the files of the module in `STOCK_MODULE`, or of this build, whose version is named:
/// `STOCK_WRITE_UPGRADE=2 cargo test --workspace --test server upgrade::write -- --ignored`. For
/// version 1 the module of 906ba86 was given; what it does not know it refuses.
#[test]
#[ignore = "writes tests/golden"]
fn write_the_files() {
    let Some(version) = std::env::var("STOCK_WRITE_UPGRADE").ok().and_then(|version| version.parse().ok()) else {
        panic!("STOCK_WRITE_UPGRADE says the version of the encoding");
    };
    let server = Server::at_time(START_MS, &[]).expect("a server that goes by a clock");
    grow(&server, IN_RDB);
    server.client().expect("SAVE", "OK");
    pack(&server.dir().join("dump.rdb"), &path(version, "rdb"));
    let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--appendfsync", "always"];
    let server = Server::at_time(START_MS, &args).expect("a server that goes by a clock");
    grow(&server, IN_AOF);
    pack(&server.dir().join("appendonlydir/appendonly.aof.1.incr.aof"), &path(version, "aof"));
}

fn pack(from: &Path, to: &Path) {
    let file = fs::File::create(to).expect("the file");
    let done = Command::new("gzip").arg("-9nc").arg(from).stdout(Stdio::from(file)).status().expect("gzip runs");
    assert!(done.success());
    println!("{}: {} bytes", to.display(), to.metadata().expect("its size").len());
}

/// One generator, and the pools that its calls name.
struct Growing {
    name: String,
    generator: Generator,
    now_ms: i64,
}

/// So many pools, two of each seed, that have seen some sixty calls each; and what this server says
/// of them.
fn grow(server: &Server, count: usize) {
    let mut c = server.client().resp3();
    let profile = Profile { steps_back: false, backlogs: false, ..Profile::default() };
    let mut growing: Vec<Growing> = (0..count / 2)
        .map(|seed| Growing {
            name: format!("{seed}"),
            generator: Generator::with(7_000 + seed as u64, profile),
            now_ms: START_MS,
        })
        .collect();
    // All of them in steps of one clock, which never goes back.
    for now_ms in (START_MS..END_MS).step_by(100) {
        server.set_clock(now_ms);
        for one in &mut growing {
            while one.now_ms <= now_ms {
                let step = one.generator.next();
                one.now_ms += 25 + step.advance_ms.clamp(0, 600);
                let rename = |word: &Vec<u8>| match word.strip_prefix(b"pool:") {
                    Some(rest) => [one.name.as_bytes(), b":", rest].concat(),
                    None => word.clone(),
                };
                c.call(&step.argv.iter().map(rename).collect::<Vec<_>>());
            }
        }
    }
    server.set_clock(END_MS);
    // Event streams go, and the few other pools; what is due has been returned.
    let keys: Vec<String> = c.call(&["KEYS", "*"]).items().iter().map(Value::text).collect();
    let mut kept = 0;
    for key in keys {
        if !key.ends_with(":a") && !key.ends_with(":b") {
            c.call(&["DEL", &key]);
            continue;
        }
        let mut digest = String::new();
        while digest != c.digest(&key) {
            digest = c.digest(&key);
            c.call(&["STOCK.SWEEP", &key]);
        }
        let state = lines(&c.call(&["STOCK.GET", &key]));
        c.call(&["HSET", "said", &key, &format!("{digest}\n{}", state.join("\n"))]);
        kept += 1;
    }
    assert_eq!(kept, count, "pools that were made");
}
