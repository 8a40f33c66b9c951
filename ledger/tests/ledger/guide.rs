//! The quick start of the guide, typed as it stands there.

use std::process::Command;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::field;
use crate::harness::{program, Shop};

#[test]
fn the_quick_start_can_be_typed() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides/database.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let block = guide.split("## Quick start").nth(1).and_then(|rest| rest.split("```sh\n").nth(1));
    let block = block.and_then(|rest| rest.split("```").next()).expect("a block");
    // The program under test is built already.
    let typed: Vec<&str> =
        block.lines().filter(|line| !line.starts_with("cargo ") && !line.starts_with("export PATH")).collect();
    let shop = Shop::new(Database::fresh(Kind::Sqlite));
    let home = shop.dir.path();
    let begin = format!(
        "set -e\nredis-cli() {{ command redis-cli -p {} \"$@\"; }}\nstock-ledger() {{ \"{}\" \"$@\"; }}\n",
        shop.redis.port,
        program().display()
    );
    // A reader has pasted the README's block before.
    let readme = include_str!("../../../README.md");
    let block = readme.split("```redis-cli paste\n").nth(1).and_then(|rest| rest.split("```").next());
    let pasted = block.expect("a block to paste").replace("STOCK.", "redis-cli STOCK.");
    let out = Command::new("bash")
        .arg("-c")
        .arg(format!("{begin}{pasted}{}", typed.join("\n")))
        .env("HOME", home)
        .env("STOCK_LEDGER_REDIS_URL", shop.redis.url())
        .env_remove("STOCK_LEDGER_DATABASE_URL")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    // What the comments promise.
    for promised in ["618|98", "order-1|confirmed|2", "148", "1 pools agreed"] {
        assert!(text.lines().any(|line| line.starts_with(promised)), "no {promised} in:\n{text}");
    }
    assert!(home.join("stock-try/shop.db").exists(), "its file is where the guide says");
    assert_eq!(field(&mut shop.redis.connect(), "sku:618", "on_hand"), 148);
}
