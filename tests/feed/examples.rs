//! The examples of docs/guides/events.md, run against real servers.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use testkit::{info, poll, wait_until, Client, Running, Server};

/// A program that answers each line with a line.
struct Program {
    process: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    /// Python with redis-py, as `make deps` installs it.
    fn start(name: &str, args: &[&str]) -> Program {
        let exe = std::env::current_exe().expect("the path of this test");
        let python = exe.ancestors().nth(3).expect("the target directory").join("python/bin/python");
        assert!(python.exists(), "{} is missing: `make deps` installs it", python.display());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python").join(name);
        let mut command = Command::new(python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(program).args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdin = child.stdin.take().expect("its input");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        Program { process: Running(child), stdin, stdout }
    }

    #[track_caller]
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").expect("the program takes a line");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("an answer");
        assert!(answer.ends_with('\n'), "{line}: the program has ended");
        answer.trim().to_string()
    }

    /// Kills it; what it has said.
    fn kill(mut self) -> String {
        assert!(self.process.0.try_wait().expect("its state").is_none(), "the program ended by itself");
        self.process.0.kill().expect("kill");
        std::io::read_to_string(&mut self.stdout).expect("what it said")
    }
}

fn url(server: &Server) -> String {
    format!("redis://127.0.0.1:{}", server.port())
}

/// Waits until the flag is as it should be, and answers how long that took.
#[track_caller]
fn flag_becomes(shop: &mut Program, pool: &str, expected: &str) -> Duration {
    let start = Instant::now();
    wait_until(&format!("the flag of {pool} is {expected}"), || shop.ask(&format!("flag {pool}")) == expected);
    start.elapsed()
}

/// No buyer costs a call when the stock is gone; the flag follows each crossing, and what happened
/// while nobody listened.
#[test]
fn the_soldout_flag() {
    let mut server =
        Server::on_port(&["--notify-keyspace-events", "Ed", "--appendonly", "yes", "--appendfsync", "always"]);
    let mut c = server.client();
    c.play("STOCK.SET tea 100\n STOCK.SET tin 0\n STOCK.SET free UNLIMITED");
    let mut shop = Program::start("soldout_flag.py", &[&url(&server), "tea", "tin", "free", "none"]);
    // What was gone before the program began is read.
    flag_becomes(&mut shop, "tin", "gone");
    assert_eq!(shop.ask("flag tea"), "open");
    assert_eq!(shop.ask("buy tea a 99"), "99 buyers, 99 served, 99 calls");
    c.expect("STOCK.RESERVE tea last 1", "[OK, 1, 0, *]");
    flag_becomes(&mut shop, "tea", "gone");
    // 20,000 buyers come too late; without the flag each of them would have cost a call.
    let before: i64 = info(&mut c, "stock")["stock_replies_soldout"].parse().expect("a number");
    assert_eq!(shop.ask("buy tea b 20000"), "20000 buyers, 0 served, 0 calls");
    assert_eq!(info(&mut c, "stock")["stock_replies_soldout"], before.to_string());
    // One unit comes back, and is sold to one of the next buyers.
    c.expect("STOCK.RELEASE tea last", "[OK, *]");
    flag_becomes(&mut shop, "tea", "open");
    let told = shop.ask("buy tea c 1000");
    assert!(told.starts_with("1000 buyers, 1 served, "), "{told}");
    println!("1,000 buyers for one unit: {told}");
    flag_becomes(&mut shop, "tea", "gone");
    // A hold that expires is pushed, too.
    c.expect("STOCK.ADD tea 1", "[OK, *]");
    c.expect("STOCK.RESERVE tea short 1 PX 30", "[OK, *]");
    flag_becomes(&mut shop, "tea", "open");
    c.expect("STOCK.SET tea 0", "OK");
    flag_becomes(&mut shop, "tea", "gone");

    // Crossings at random; now and then the subscription breaks in the same moment, so that the
    // push is lost.
    let seed = crate::seed("the_soldout_flag");
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut slowest = [Duration::ZERO; 2];
    for round in 0..60 {
        let lost = rng.random_ratio(1, 6);
        let open = round % 2 == 0;
        let change = format!(
            "STOCK.SET tea {}",
            if open { c.get("tea", "reserved").parse::<i64>().expect("a number") + 1 } else { 0 }
        );
        if lost {
            c.transaction(&["CLIENT KILL TYPE pubsub", &change]);
        } else {
            c.expect(&change, "OK");
        }
        let took = flag_becomes(&mut shop, "tea", if open { "open" } else { "gone" });
        slowest[usize::from(lost)] = slowest[usize::from(lost)].max(took);
    }
    println!("the slowest push {:?}, the slowest new subscription {:?}", slowest[0], slowest[1]);

    // While the server is away nobody is turned away by memory; afterwards the flag is read anew.
    assert_eq!(shop.ask("flag tea"), "gone");
    server.kill();
    flag_becomes(&mut shop, "tea", "open");
    server.start_again();
    flag_becomes(&mut shop, "tea", "gone");
}

/// Every order that the pool has is made once, whatever happens to the workers; each ends as the
/// pool says.
#[test]
fn the_order_queue() {
    let seed = crate::seed("the_order_queue");
    let mut rng = SmallRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("orders.db");
    let path = path.to_str().expect("a path");
    let (server, mut c) = Server::on_port(&[]).with_client();
    let pools = ["{sale}tea", "{sale}tin"];
    for pool in pools {
        c.expect(&format!("STOCK.SET {pool} 100"), "OK");
        // Both formats in one stream.
        let format = if pool == "{sale}tin" { "packed" } else { "fields" };
        let policy = r#"{"events":"{sale}events","events_format":"FORMAT","limits":[{"by":["user"],"max":1}]}"#;
        let answer = c.call(&["STOCK.SETPOLICY", pool, &policy.replace("FORMAT", format)]);
        assert_eq!(answer.to_string(), "OK");
    }
    let url = url(&server);
    let mut web = Program::start("order_queue.py", &[&url, path, "web"]);
    let mut hired = 0;
    let mut hire = || {
        hired += 1;
        Program::start("order_queue.py", &[&url, path, "worker", &format!("w{hired}")])
    };
    let mut workers: Vec<Program> = (0..3).map(|_| hire()).collect();

    // 250 buyers for 200 units; some pay, some cancel, some say nothing.
    let mut said = String::new();
    let (mut held, mut refused) = (Vec::new(), 0);
    for n in 0..250 {
        let pool = pools[n % 2];
        let silent = n % 5 == 4;
        let hold_ms = if silent { 400 } else { 60_000 };
        let answer = web.ask(&format!("buy {pool} o{n} user{n} {hold_ms}"));
        if answer.starts_with("SOLDOUT") {
            refused += 1;
            continue;
        }
        assert_eq!(answer, "OK 1");
        held.push((pool, format!("o{n}"), silent, n));
        // A worker dies, in the middle of whatever it does, and another one is hired.
        if n % 40 == 39 {
            let victim = rng.random_range(0..workers.len());
            said += &workers.swap_remove(victim).kill();
            workers.push(hire());
        }
    }
    let mut states = Vec::new();
    for (pool, order, silent, n) in &held {
        let state = match n % 3 {
            _ if *silent => "expired",
            0 => {
                assert_eq!(web.ask(&format!("cancel {pool} {order}")), "OK 1");
                "released"
            }
            _ => {
                assert_eq!(web.ask(&format!("pay {pool} {order}")), "OK 1");
                "confirmed"
            }
        };
        states.push((pool.to_string(), order.clone(), state));
    }
    // Somebody takes entries and dies: nobody but a claim brings them back.
    c.call(&["XREADGROUP", "GROUP", "orders", "dead", "COUNT", "1", "STREAMS", "{sale}events", ">"]);
    c.expect("STOCK.RESERVE {sale}tea by-hand 1 FOR user by-hand", "[*]");
    c.call(&["XREADGROUP", "GROUP", "orders", "dead", "COUNT", "5", "STREAMS", "{sale}events", ">"]);

    wait_until("every entry is acknowledged", || backlog(&mut c) == (0, 0));
    for (pool, order, state) in &states {
        poll("the order has been made", || {
            let page = web.ask(&format!("page {pool} {order}"));
            assert!(page.ends_with("made"), "{order}: {page}");
            (page == format!("{state} made")).then_some(())
        });
    }
    // A page shows that a hold is due before its units have come back, which is when it is told of.
    pools.iter().for_each(|pool| drop(c.say(&format!("STOCK.SWEEP {pool}"))));
    wait_until("what has expired is recorded", || backlog(&mut c) == (0, 0) && recorded(path).len() >= states.len());
    let recorded = recorded(path);
    for (pool, order, state) in &states {
        let line = recorded.iter().find(|line| line[0] == *pool && line[1] == *order);
        let line = line.unwrap_or_else(|| panic!("{order} was not made"));
        assert_eq!(line[2], *state, "{order}");
        assert_eq!(line[3], format!("{{\"user\":\"user{}\"}}", &order[1..]), "{order}: who bought it");
    }
    for worker in workers {
        said += &worker.kill();
    }
    let claims = said.lines().filter(|line| line.contains("claims")).count();
    println!("{} orders, {refused} refused; {hired} workers; {claims} claims", states.len());
    assert!(refused >= 10, "the sale is sold out: {refused}");
    assert!(claims > 0, "entries of the dead are claimed");
    // Nothing that was refused has been made.
    let by_hand = usize::from(recorded.iter().any(|line| line[1] == "by-hand"));
    assert_eq!(recorded.len(), states.len() + by_hand);
    for pool in pools {
        c.verify(pool);
    }
}

/// What was trimmed while a worker had it cannot be made; the next worker says so.
#[test]
fn the_order_queue_tells_of_entries_that_were_trimmed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("orders.db");
    let path = path.to_str().expect("a path");
    let (server, mut c) = Server::on_port(&[]).with_client();
    c.script(
        r#"STOCK.SET {sale}tea 100
         STOCK.SETPOLICY {sale}tea {"events":"{sale}events"}
         XGROUP CREATE {sale}events orders 0
         STOCK.RESERVE {sale}tea o1 1 => [OK, *]
         STOCK.RESERVE {sale}tea o2 1 => [OK, *]
         XREADGROUP GROUP orders dead COUNT 2 STREAMS {sale}events > => *
         XTRIM {sale}events MAXLEN 1 => 2"#,
    );
    let mut worker = Program::start("order_queue.py", &[&url(&server), path, "worker", "w1"]);
    let mut said = String::new();
    worker.stdout.read_line(&mut said).expect("a line");
    assert!(said.starts_with("w1 lost 2, trimmed before they were acknowledged: ["), "{said}");
    wait_until("the rest is made", || backlog(&mut c).1 == 0 && recorded(path).len() == 1);
    assert_eq!(recorded(path)[0][1], "o2");
}

/// A failover makes the server a replica for a while: the read that waits there ends with an error,
/// and so does each one that follows. The worker goes on when it can.
#[test]
fn a_worker_of_the_order_queue_outlasts_a_change_of_roles() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("orders.db");
    let path = path.to_str().expect("a path");
    let server = Server::on_port(&[]);
    let mut c = server.client();
    c.script(
        r#"STOCK.SET {sale}tea 100
         STOCK.SETPOLICY {sale}tea {"events":"{sale}events"}"#,
    );
    let worker = Program::start("order_queue.py", &[&url(&server), path, "worker", "w1"]);
    // Both of a read that waits, and of one that comes later.
    wait_until("it has met both errors", || {
        wait_until("it waits", || info(&mut c, "clients")["blocked_clients"] == "1");
        // Nobody is there, so it keeps its data.
        c.expect("REPLICAOF 127.0.0.1 1", "OK");
        let seen = |c: &mut Client| {
            let errors = info(c, "errorstats");
            (errors.contains_key("errorstat_UNBLOCKED"), errors.contains_key("errorstat_READONLY"))
        };
        wait_until("it is refused", || seen(&mut c).1);
        c.expect("REPLICAOF NO ONE", "OK");
        seen(&mut c) == (true, true)
    });
    c.expect("STOCK.RESERVE {sale}tea o1 1", "[OK, *]");
    wait_until("the order is made", || backlog(&mut c) == (0, 0) && recorded(path).len() == 1);
    worker.kill();
}

/// Entries not yet delivered, and delivered but not acknowledged.
fn backlog(c: &mut Client) -> (i64, i64) {
    let group = c.call(&["XINFO", "GROUPS", "{sale}events"]).items()[0].clone();
    (group.field("lag").int(), group.field("pending").int())
}

/// The orders of the database: pool, id, state, buyer.
fn recorded(path: &str) -> Vec<Vec<String>> {
    let exe = std::env::current_exe().expect("the path of this test");
    let python = exe.ancestors().nth(3).expect("the target directory").join("python/bin/python");
    let script = "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute('SELECT pool, id, state, buyer FROM orders'): print(*row, sep='\\t')";
    let done = Command::new(python).args(["-c", script, path]).output().expect("python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.lines().map(|line| line.split('\t').map(String::from).collect()).collect()
}
