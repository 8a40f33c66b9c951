//! Talks to the driver of a library, its mode `driver`: clients/README.md.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{json, Value as Json};

/// A library's driver: it makes the calls that it is sent.
pub struct Driver {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Driver {
    #[track_caller]
    pub fn start(command: &mut Command) -> Driver {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let to = child.stdin.take().expect("its input");
        let from = BufReader::new(child.stdout.take().expect("its output"));
        Driver { child, to, from }
    }

    /// Sends one line and reads one.
    #[track_caller]
    fn line(&mut self, line: &Json) -> Json {
        writeln!(self.to, "{line}").unwrap_or_else(|why| panic!("the driver is gone at {line}: {why}"));
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("the driver answers");
        serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{line} answered {answer:?}: {why}"))
    }

    #[track_caller]
    pub fn call(&mut self, method: &str, args: Json) -> Json {
        self.line(&json!({"method": method, "args": args}))
    }

    /// Which of so many buckets a value has.
    #[track_caller]
    pub fn bucket(&mut self, value: Json, count: u32) -> u64 {
        self.line(&json!({"bucket": value, "count": count})).as_u64().expect("a number")
    }

    /// What a buyer asks a balancer for, as asks.txt has it.
    #[track_caller]
    pub fn ask(&mut self, asked: &Json) -> Json {
        self.line(asked)
    }

    /// All at once.
    #[track_caller]
    pub fn pipeline(&mut self, calls: &[(&str, Json)]) -> Vec<Json> {
        let calls: Vec<Json> = calls.iter().map(|(method, args)| json!({"method": method, "args": args})).collect();
        match self.line(&Json::Array(calls)) {
            Json::Array(answers) => answers,
            other => panic!("a pipeline answered {other}"),
        }
    }

    /// It ends by itself when there is nothing more to do.
    #[track_caller]
    pub fn end(self) {
        let Driver { mut child, to, .. } = self;
        drop(to);
        assert!(child.wait().expect("its end").success());
    }
}
