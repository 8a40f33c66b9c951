//! Writes the manual pages and the completions of stockctl: `stockctl-manual
//! MAN-DIRECTORY COMPLETIONS-DIRECTORY`. The packages hold them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use stockctl::cli::Cli;

fn main() -> Result<()> {
    let mut directories = std::env::args_os().skip(1).map(PathBuf::from);
    let man = directories.next().context("the directory of the manual is missing")?;
    let completions = directories.next().context("the directory of the completions is missing")?;
    std::fs::create_dir_all(&man)?;
    std::fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Cli::command(), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "stockctl", &completions)?;
    }
    Ok(())
}
