#!/bin/sh
# sqlx 0.9.0, MariaDB and MySQL: where begin() is given up, the connection goes back to the pool
# inside the transaction, and what the next callers write there is lost.
#
# sqlx counts open transactions itself, from when BEGIN was answered. If the caller does not wait
# for that (a timeout, a select, a request that was broken off), the count is 0: nothing rolls back,
# and the pool takes the connection. The next INSERT of somebody else answers Ok, one row. No other
# connection sees it, and it is gone when the connection ends.
#
# What helps: never give up begin() (a task of its own can wait for it), or close_on_drop() on the
# connection. Of PostgreSQL the same was reported, and fixed after 0.9.0:
# https://github.com/transact-rs/sqlx/issues/4393
#
# Seen with sqlx 0.9.0, tokio 1 and MariaDB 10.11.19. Needs Debian's mariadb-server, and cargo,
# which fetches and builds the library in a temporary folder.
set -eu
work=$(mktemp -d)
chmod 755 "$work"
mkdir "$work/src"
mkdir -m 777 "$work/db" "$work/tmp"
as=""
[ "$(id -u)" != 0 ] || as="setpriv --reuid=nobody --clear-groups"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "mysql"] }
tokio = { version = "1", features = ["full"] }
[workspace]
TOML
cat >"$work/src/main.rs" <<'RUST'
use sqlx::{pool::PoolOptions, Connection, Executor, MySql};
use std::{env::args, process::Command, time::Duration};

#[tokio::main]
async fn main() -> sqlx::Result<()> {
    let words: Vec<String> = args().collect();
    let shop = PoolOptions::<MySql>::new().max_connections(1).connect(&words[1]).await?;
    let other = PoolOptions::<MySql>::new().connect(&words[1]).await?;
    shop.execute("CREATE TABLE orders (id INT)").await?;
    let signal = |name| Command::new("kill").args([name, words[2].as_str()]).status().expect("kill");

    // The database does not answer for a moment, and the caller gives up.
    let mut connection = shop.acquire().await?;
    signal("-STOP");
    let begin = tokio::time::timeout(Duration::from_millis(200), connection.begin()).await;
    println!("begun: {}", begin.is_ok());
    drop(begin);
    drop(connection);
    signal("-CONT");

    // Somebody else writes an order, without a transaction.
    let added = shop.execute("INSERT INTO orders VALUES (7)").await?.rows_affected();
    let seen = other.fetch_all("SELECT id FROM orders").await?.len();
    shop.close().await;
    let kept = other.fetch_all("SELECT id FROM orders").await?.len();
    println!("orders: {added} added, others see {seen}, {kept} kept");
    Ok(())
}
RUST
cargo build --quiet --manifest-path "$work/Cargo.toml" --target-dir "$work/target" || exit 2
export TMPDIR="$work/tmp" # Its own: see mariadb-start-removes-temporary-tables-of-others.sh.
$as mariadb-install-db --no-defaults --datadir="$work/db" --skip-test-db \
    --auth-root-authentication-method=normal >"$work/log" 2>&1
$as mariadbd --no-defaults --datadir="$work/db" --socket="$work/db/socket" --skip-networking \
    >>"$work/log" 2>&1 &
server=$!
trap 'kill -CONT "$server"; kill "$server"; wait "$server" || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    mariadb -u root -S "$work/db/socket" -e "CREATE DATABASE shop" 2>>"$work/log" && break
    sleep 0.2
done
url="mysql://root@localhost/shop?socket=$work/db/socket"
timeout 60 "$work/target/debug/finding" "$url" "$server" >"$work/seen"
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
begun: false
orders: 1 added, others see 0, 0 kept
TEXT
diff "$work/expected" "$work/seen"
echo "sqlx still keeps a connection whose BEGIN nobody has waited for"
