//! stockctl: see `--help`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use stockctl::cli::Cli;
use stockctl::failure::{error_chain, exit_code};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let user = cli.user();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(ended) => ended.into(),
        Err(error) => {
            let text = error_chain(&error);
            // The server does not say who it means.
            let who = if text.contains(" NOPERM ") { format!(" (user {user})") } else { String::new() };
            let _ = writeln!(std::io::stderr(), "error: {text}{who}");
            ExitCode::from(exit_code(&error))
        }
    }
}
