//! stockctl: see `--help`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use stockctl::cli::Cli;
use stockctl::failure::{error_chain, exit_code};

fn main() -> ExitCode {
    let cli = Cli::parse();
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
            let _ = writeln!(std::io::stderr(), "error: {}", error_chain(&error));
            ExitCode::from(exit_code(&error))
        }
    }
}
