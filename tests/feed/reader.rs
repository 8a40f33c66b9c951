//! The reader: a process of its own, so that it can be killed in the middle of anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::entry::{Entry, Id};
use crate::table::{Heard, Table};
use testkit::{wait_until, Client, Server, Value};

pub const STREAM: &str = "feed";

/// A reader and its table, as the test sees them.
pub struct Reader {
    dir: TempDir,
    child: Option<Child>,
}

impl Reader {
    pub fn of(server: &Server) -> Reader {
        let dir = tempfile::Builder::new().prefix("stock-feed-").tempdir().expect("a directory");
        let reader = Reader { dir, child: None };
        reader.follow(server);
        reader
    }

    /// Says where the server is, to the next connection.
    pub fn follow(&self, server: &Server) {
        fs::write(self.dir.path().join("next"), server.socket().as_os_str().as_encoded_bytes()).expect("the address");
        fs::rename(self.dir.path().join("next"), self.dir.path().join("address")).expect("the address");
    }

    pub fn start(&mut self) {
        let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
        command.args(["--exact", "reader::the_process_itself", "--ignored", "--nocapture"]);
        command.env("FEED_READER", self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("the reader starts"));
    }

    /// Kills it. Whether it was at work (and had not ended by a fault of its own).
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a running reader");
        assert!(child.try_wait().expect("the state of the reader").is_none(), "the reader ended by itself");
        child.kill().expect("kill");
        child.wait().expect("its end");
    }

    /// How far the file has got: that it grows says that the reader works.
    pub fn bytes(&self) -> u64 {
        fs::metadata(self.dir.path().join("table")).map_or(0, |file| file.len())
    }

    /// Lets a reader run until it has met the end of the stream, and answers what it has.
    pub fn read_to_the_end(&mut self) -> Table {
        let finish = self.dir.path().join("finish");
        fs::write(&finish, "").expect("a file");
        self.start();
        let child = self.child.as_mut().expect("a running reader");
        wait_until("the reader reads to the end", || child.try_wait().expect("its state").is_some());
        let done = self.child.take().expect("the reader").wait().expect("its end");
        assert!(done.success(), "the reader failed");
        fs::remove_file(&finish).expect("a file");
        Table::open(&self.dir.path().join("table"))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[ignore = "the process that the other tests start and kill"]
fn the_process_itself() {
    let Some(dir) = std::env::var_os("FEED_READER").map(PathBuf::from) else {
        return;
    };
    let mut table = Table::open(&dir.join("table"));
    // The connection is made again for as long as it takes.
    while !read(&dir, &mut table) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads until the connection breaks; true at the end of the stream, where that was asked for.
fn read(dir: &Path, table: &mut Table) -> bool {
    let address = fs::read_to_string(dir.join("address")).expect("an address");
    let Ok(mut client) = Client::unix(Path::new(&address)) else {
        return false;
    };
    let mut rng = SmallRng::from_os_rng();
    if look(&mut client, table).is_err() {
        return false;
    }
    loop {
        let count = rng.random_range(1..300).to_string();
        let position = table.position.to_string();
        let read = ["XREAD", "COUNT", &count, "BLOCK", "20", "STREAMS", STREAM, &position];
        let done = match client.try_call(&read) {
            // Somebody has put something else in its place: it comes back, or it does not.
            Ok(Value::Error(_)) => {
                std::thread::sleep(Duration::from_millis(2));
                Ok(())
            }
            Ok(Value::Nil) => match look(&mut client, table) {
                Ok(true) if dir.join("finish").exists() => return true,
                other => other.map(drop),
            },
            Ok(answer) => take(&mut client, table, &Entry::all(&answer)),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // What was begun has not happened.
            *table = Table::open(&dir.join("table"));
            return false;
        }
    }
}

/// Whether the server is still in the history that is being read. If not, the stream is read from
/// its start.
fn look(client: &mut Client, table: &mut Table) -> io::Result<bool> {
    let info = client.try_call(&["INFO"])?.text();
    let last = match client.try_call(&["XINFO", "STREAM", STREAM])? {
        Value::Error(_) => None,
        info => Some(Id::parse(&info.field("last-generated-id").text())),
    };
    Ok(table.meets(&history(&info), last))
}

fn take(client: &mut Client, table: &mut Table, entries: &[Entry]) -> io::Result<()> {
    if entries.iter().any(|entry| table.is_new(entry)) && !look(client, table)? {
        return Ok(());
    }
    table.apply(entries, |pool, before| counts_from(client, pool, before))
}

/// From which `out` the pool counts what the database has not seen, if that stands behind `before`;
/// none where the pool does not come from there.
fn counts_from(client: &mut Client, pool: &str, before: &Heard) -> io::Result<Option<i64>> {
    let (seq, out) = (before.seq.to_string(), before.out.to_string());
    client.try_call(&["MULTI"])?;
    client.try_call(&["STOCK.GET", pool])?;
    // With 0 on the shelf, on_hand would become what has not moved since then.
    client.try_call(&["STOCK.RECONCILE", pool, "0", "AFTER", &before.epoch, &seq, &out, "DRYRUN"])?;
    let answers = client.try_call(&["EXEC"])?;
    let told = &answers.items()[1];
    Ok(match told {
        // An unlimited pool: nothing is on its shelf.
        Value::Error(_) => Some(before.out),
        told if told.items()[0].text() == "OK" => Some(answers.items()[0].field("out").int() + told.items()[2].int()),
        _ => None,
    })
}

fn history(info: &str) -> String {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).expect("a field of INFO").trim();
    format!("{} {}", field("run_id:"), field("master_replid:"))
}
