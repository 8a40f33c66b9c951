//! Poolers between the ledger and PostgreSQL.

use crate::harness::databases::{in_setup, Database, Kind, Setup};
use crate::harness::shop::{assert_agreement, open, sell};
use crate::harness::{wait_until, Shop};

/// What the ledger tells a server's session holds for its transaction only: the pooler's other
/// clients find the server as it was, and no statement that they did not prepare.
#[test]
fn other_clients_of_a_pooler_find_nothing_of_the_ledger() {
    in_setup(Setup::TransactionPooling, || {
        let shop = Shop::new(Database::fresh(Kind::Postgres));
        let usual = shop.database.rows("SHOW lock_timeout");
        open(&shop, 3, 50);
        let run = shop.follow(&[]);
        let mut c = shop.redis.connect();
        for n in 0..20 {
            let (pool, order) = (format!("sku:{}", n % 3), format!("o{n}"));
            sell(&mut c, &pool, &order, "1");
            assert_eq!(shop.database.rows("SHOW lock_timeout"), usual);
            let named = shop.database.rows("SELECT CAST(COUNT(*) AS TEXT) FROM pg_prepared_statements");
            assert_eq!(named, [["0"]]);
        }
        wait_until("all is applied", || shop.database.number("SELECT SUM(on_hand) FROM stock") == 130);
        shop.end(run);
        assert_agreement(&shop, &mut c);
        shop.ledger(&["audit"]).ok();
        shop.ledger(&["status"]).ok();
    });
}

/// With session pooling a server goes from client to client with whatever they have left in it,
/// where the pooler is told not to clean up. Names of statements do not collide: the ledger has
/// none.
#[test]
fn names_that_another_client_left_do_not_collide() {
    in_setup(Setup::SessionPoolingWithoutReset, || {
        let shop = Shop::new(Database::fresh(Kind::Postgres));
        let named = || shop.database.rows("SELECT name FROM pg_prepared_statements");
        // As the ledger's library would name its first one. The pooler may open another server
        // before it knows that the client of the first one has gone: then that one gets the name,
        // too.
        wait_until("the pooler lends a server with the name", || {
            shop.database.takes("PREPARE sqlx_s_1 AS SELECT 1");
            named() == [["sqlx_s_1"]]
        });
        let mut c = open(&shop, 3, 50);
        sell(&mut c, "sku:1", "o1", "2");
        shop.ledger(&["run", "--once"]).ok();
        shop.ledger(&["adjust", "1", "5", "--reason", "x"]).ok();
        shop.ledger(&["reconcile"]).ok();
        shop.ledger(&["run", "--once"]).ok();
        shop.ledger(&["audit"]).ok();
        let left = named();
        assert!(left.is_empty() || left == [["sqlx_s_1"]], "the ledger leaves no name of its own: {left:?}");
        assert_agreement(&shop, &mut c);
    });
}
