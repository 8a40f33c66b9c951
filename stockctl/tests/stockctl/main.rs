//! stockctl against real servers: what it answers, in which form, and how it ends.

mod balance;
mod explain;
mod fake;
mod harness;
mod holds;
mod metrics;
mod monitoring;
mod pools;
mod servers;
mod top;
mod verify;

use clap::CommandFactory;

/// Every subcommand has a chapter of the page, and every option stands there.
#[test]
fn the_page_has_every_option() {
    let page = std::fs::read_to_string("../docs/operating/stockctl.md").expect("the page is there");
    let cli = stockctl::cli::Cli::command();
    let options = |command: &clap::Command| -> Vec<String> {
        command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect()
    };
    for option in options(&cli).iter().filter(|option| option.as_str() != "--version") {
        assert!(page.contains(&format!("`{option}`")), "{option}");
    }
    for command in cli.get_subcommands() {
        let head = format!("\n## {}\n", command.get_name());
        let chapter = page.split(&head).nth(1).unwrap_or_else(|| panic!("no chapter {head}"));
        let chapter = chapter.split("\n## ").next().unwrap_or_default();
        for option in options(command) {
            assert!(chapter.contains(&format!("[{option}")), "{}: {option}", command.get_name());
        }
    }
}
