#!/bin/sh
# sqlx 0.9.0, SQLite: behind a full database a transaction goes on as if it were one.
#
# SQLite ends the transaction itself when the disk (here: max_page_count) is full, and where a
# constraint says ON CONFLICT ROLLBACK. sqlx goes on counting one. So what the program writes behind
# the error is committed at once, statement by statement, though its commit() fails: here order 7 is
# kept, order 6 of the same transaction is not. And the pool keeps the connection, which from then
# on refuses begin_with("BEGIN IMMEDIATE"), and makes every begin() a savepoint, until it is closed:
# after one full disk, writers fail until the program is started again.
#
# What helps: leave a transaction at its first error, and close_on_drop() on its connection. A
# report of the same count with PostgreSQL, where it is harmless:
# https://github.com/transact-rs/sqlx/issues/3742
#
# Seen with sqlx 0.9.0, tokio 1 and the SQLite that sqlx brings. Needs cargo, which fetches and
# builds the library in a temporary folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "sqlite"] }
tokio = { version = "1", features = ["full"] }
[workspace]
TOML
cat >"$work/src/main.rs" <<'RUST'
use sqlx::{pool::PoolOptions, Executor, Row, Sqlite};

fn text<T>(result: sqlx::Result<T>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "ok".to_string())
}

#[tokio::main]
async fn main() -> sqlx::Result<()> {
    let pool = PoolOptions::<Sqlite>::new().max_connections(1).connect("sqlite::memory:").await?;
    pool.execute("CREATE TABLE orders (id, note)").await?;
    pool.execute("PRAGMA max_page_count = 20").await?;
    let mut tx = pool.begin().await?;
    tx.execute("INSERT INTO orders (id) VALUES (6)").await?;
    println!("full: {}", text(tx.execute("INSERT INTO orders VALUES (0, zeroblob(200000))").await));
    println!("behind it: {}", text(tx.execute("INSERT INTO orders (id) VALUES (7)").await));
    println!("commit: {}", text(tx.commit().await));
    let rows = pool.fetch_all("SELECT id FROM orders").await?;
    let kept: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    println!("kept: {kept:?}");
    for _ in 0..2 {
        println!("the next: {}", text(pool.begin_with("BEGIN IMMEDIATE").await));
    }
    Ok(())
}
RUST
cargo build --quiet --manifest-path "$work/Cargo.toml" --target-dir "$work/target" || exit 2
timeout 60 "$work/target/debug/finding" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
full: error returned from database: (code: 13) database or disk is full
behind it: ok
commit: error returned from database: (code: 1) cannot commit - no transaction is active
kept: [7]
the next: attempted to call begin_with at non-zero transaction depth
the next: attempted to call begin_with at non-zero transaction depth
TEXT
diff "$work/expected" "$work/seen"
echo "sqlx still counts a transaction that SQLite has ended"
