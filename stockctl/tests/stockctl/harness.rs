//! Runs stockctl.

use std::process::{Command, Stdio};

use testkit::Server;

/// What a run of stockctl left.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// It ended with this code, and says why where it is an error.
    #[track_caller]
    pub fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// It ended well, without a word on standard error.
    #[track_caller]
    pub fn ok(self) -> Ended {
        assert_eq!(self.err, "");
        self.with(0)
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    /// All of these stand in the output.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Ended {
        for text in texts {
            assert!(self.out.contains(text), "{text} is not in\n{}", self.out);
        }
        self
    }

    /// This stands on standard error.
    #[track_caller]
    pub fn err_has(self, text: &str) -> Ended {
        assert!(self.err.contains(text), "{text} is not in\n{}", self.err);
        self
    }
}

/// stockctl with these words, and nothing of its own in the environment.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockctl"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STOCKCTL_")) {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().expect("stockctl runs");
    Ended {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

pub fn url(server: &Server) -> String {
    format!("redis+unix://{}", server.socket().display())
}

/// stockctl on this server.
pub fn run(server: &Server, words: &[&str]) -> Ended {
    let url = url(server);
    ended(&mut command(&[&["--url", &url], words].concat()))
}
