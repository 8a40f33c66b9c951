//! stock-ledger against real servers: Redis with the module, and SQLite, PostgreSQL and MariaDB.
#![allow(missing_docs, reason = "tests")]

mod alive;
mod availability;
mod backups;
mod buckets;
mod calls;
mod campaigns;
mod clocks;
mod commits;
mod disks;
mod failover;
mod feed;
mod galera;
mod guide;
mod harness;
mod history;
mod kinds;
mod metrics;
mod operators;
mod outbox;
mod poolers;
mod quiet;
mod tables;
mod tls;
mod topologies;

macro_rules! on_every_database {
    ($($module:ident :: $name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$module::$name(super::harness::databases::Kind::Sqlite) })*
        }
        mod postgres {
            $(#[test] fn $name() { super::$module::$name(super::harness::databases::Kind::Postgres) })*
        }
        mod mariadb {
            $(#[test] fn $name() { super::$module::$name(super::harness::databases::Kind::MariaDb) })*
        }
    };
}

on_every_database![
    feed::a_sale_from_preload_to_reconcile,
    feed::every_event_once_though_run_is_killed,
    feed::a_stream_begins_once,
    feed::two_that_follow_do_not_count_twice,
    feed::a_backlog_is_applied_in_few_transactions,
    feed::ids_of_orders_are_used_again,
    feed::another_program_writes_the_stock_table,
    feed::a_transfer_is_booked_in_one_transaction,
    feed::a_missing_entry_is_made_up_for,
    feed::what_cannot_be_read_is_told_once,
    feed::the_stream_is_trimmed_behind_the_feed,
    failover::a_failover_is_repaired_in_order,
    failover::a_failover_before_anything_new_is_repaired,
    failover::a_failover_that_lost_no_payment_is_reconciled,
    failover::a_failover_that_lost_an_epoch_is_reconciled,
    failover::what_is_repeated_by_its_token_counts_once,
    history::a_pool_is_joined_behind_its_past,
    history::a_key_is_used_again,
    history::a_pool_is_made_anew,
    history::a_pool_is_restored,
    history::a_restock_is_known_by_its_token,
    history::a_restock_of_a_pool_made_anew,
    history::the_last_entries_of_a_pool_are_missing,
    history::preload_is_killed_and_run_again,
    operators::fifty_operators_and_a_sale,
    operators::an_adjustment_can_be_repeated,
    operators::adjust_refuses_what_is_not_there,
    operators::what_redis_refuses_is_not_synced,
    tables::the_shops_tables_stay,
    feed::another_logical_database,
    tables::a_shop_has_its_own_table,
    tables::what_the_stock_row_cannot_carry,
    tables::ids_of_any_bytes,
    tables::a_shop_names_its_columns_as_it_likes,
    tables::a_row_without_a_number_is_named,
    kinds::a_view_is_refused,
    kinds::quantities_that_cannot_be_counted_are_refused,
    kinds::keys_of_other_types,
    kinds::a_row_with_a_fraction_is_named_and_stops_no_other,
    kinds::goods_that_are_weighed,
    backups::a_backup_is_restored,
    metrics::figures_of_a_sale,
    outbox::what_became_of_orders,
    outbox::what_only_an_audit_finds,
    alive::whoever_reads_and_cannot_write_gives_up,
    alive::nothing_is_trimmed_off_a_stream_that_is_not_there,
    alive::a_row_that_cannot_be_written_stops_no_other,
    alive::what_no_table_can_carry_stops_nothing,
    alive::a_nul_byte_anywhere_stops_nothing,
    alive::a_key_that_is_no_pool_any_more_stops_nothing,
    alive::a_pool_without_a_row_by_design_has_no_stock_row,
    alive::a_deleted_pool_is_noted_once,
    alive::an_audit_waits_for_reservations_too,
    alive::tables_are_brought_up_to_date,
    alive::only_missing_tables_ask_for_init,
    buckets::a_row_is_the_sum_of_its_buckets,
    buckets::buckets_that_are_there_stay,
    buckets::each_sale_in_a_bucket_leaves_the_row_once,
];

/// The same tests with another setup of the database, or with a pooler in front of it: the matrix
/// in docs/internals/ledger.md.
macro_rules! in_setup {
    ($name:ident, $kind:ident, $setup:ident) => {
        in_setup! { @ $name, $kind, $setup,
            feed::a_sale_from_preload_to_reconcile,
            feed::every_event_once_though_run_is_killed,
            feed::two_that_follow_do_not_count_twice,
            feed::another_program_writes_the_stock_table,
            feed::a_missing_entry_is_made_up_for,
            feed::the_stream_is_trimmed_behind_the_feed,
            failover::a_failover_is_repaired_in_order,
            history::a_key_is_used_again,
            history::the_last_entries_of_a_pool_are_missing,
            operators::fifty_operators_and_a_sale,
            operators::an_adjustment_can_be_repeated,
            tables::the_shops_tables_stay,
            tables::a_shop_has_its_own_table,
            tables::ids_of_any_bytes,
            tables::a_shop_names_its_columns_as_it_likes,
            kinds::quantities_that_cannot_be_counted_are_refused,
            kinds::keys_of_other_types,
            kinds::a_row_with_a_fraction_is_named_and_stops_no_other,
            kinds::goods_that_are_weighed,
            alive::a_row_that_cannot_be_written_stops_no_other,
        }
    };
    (@ $name:ident, $kind:ident, $setup:ident, $($module:ident :: $test:ident),* $(,)?) => {
        mod $name {
            use super::harness::databases::{in_setup, Kind, Setup};
            $(#[test] fn $test() { in_setup(Setup::$setup, || super::$module::$test(Kind::$kind)) })*
        }
    };
}

in_setup!(pgbouncer_session, Postgres, SessionPooling);
in_setup!(pgbouncer_transaction, Postgres, TransactionPooling);
in_setup!(postgres_serializable, Postgres, Serializable);
in_setup!(mariadb_serializable, MariaDb, Serializable);
in_setup!(mariadb_11_8, MariaDb, MariaDb118);

// Constraints of MariaDB are never deferred; a file has no connection that ends.
#[test]
fn postgres_a_connection_that_ends_at_commit() {
    commits::a_connection_that_ends_at_commit(harness::databases::Kind::Postgres);
}

#[test]
fn mariadb_a_connection_that_ends_at_commit() {
    commits::a_connection_that_ends_at_commit(harness::databases::Kind::MariaDb);
}

#[test]
fn sqlite_a_constraint_that_fails_at_commit() {
    commits::a_constraint_that_fails_at_commit(harness::databases::Kind::Sqlite);
}

#[test]
fn postgres_a_constraint_that_fails_at_commit() {
    commits::a_constraint_that_fails_at_commit(harness::databases::Kind::Postgres);
}
