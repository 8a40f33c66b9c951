//! The designs, in the order of the table.

use std::sync::Arc;

use anyhow::Result;
use testkit::databases::Engine;

use crate::buyers::Sale;
use crate::redis_shops::{get_decr, lock, lua_c, lua_counter, stock, watch};
use crate::servers::{Backend, Disk};
use crate::shop::Shop;
use crate::sql_shops::{mariadb, postgres, Style};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    pub name: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Stock { events: bool },
    GetDecr { refill: bool },
    LuaCounter,
    LuaC,
    Watch,
    Lock,
    Sql(Engine, Style),
}

pub const DESIGNS: [Design; 16] = [
    Design { name: "redis-stock", kind: Kind::Stock { events: false } },
    Design { name: "redis-stock, with events", kind: Kind::Stock { events: true } },
    Design { name: "GET, then DECR", kind: Kind::GetDecr { refill: false } },
    Design { name: "GET, then DECR, nightly SET", kind: Kind::GetDecr { refill: true } },
    Design { name: "Lua A: a counter", kind: Kind::LuaCounter },
    Design { name: "Lua C2: all in a script", kind: Kind::LuaC },
    Design { name: "WATCH / MULTI", kind: Kind::Watch },
    Design { name: "distributed lock", kind: Kind::Lock },
    Design { name: "lock table, PostgreSQL", kind: Kind::Sql(Engine::Postgres, Style::LockTable) },
    Design { name: "lock table, MariaDB", kind: Kind::Sql(Engine::MariaDb, Style::LockTable) },
    Design { name: "UPDATE … WHERE, PostgreSQL", kind: Kind::Sql(Engine::Postgres, Style::Conditional) },
    Design { name: "UPDATE … WHERE, MariaDB", kind: Kind::Sql(Engine::MariaDb, Style::Conditional) },
    Design { name: "one function, PostgreSQL", kind: Kind::Sql(Engine::Postgres, Style::Function) },
    Design { name: "one procedure, MariaDB", kind: Kind::Sql(Engine::MariaDb, Style::Function) },
    Design { name: "SELECT FOR UPDATE, PostgreSQL", kind: Kind::Sql(Engine::Postgres, Style::ForUpdate) },
    Design { name: "SELECT FOR UPDATE, MariaDB", kind: Kind::Sql(Engine::MariaDb, Style::ForUpdate) },
];

/// How many clients a shop has.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// Buyers who are served at the same time.
    pub workers: usize,
    /// Connections of the pool to a database.
    pub connections: u32,
}

impl Design {
    pub fn in_redis(self) -> bool {
        !matches!(self.kind, Kind::Sql(..))
    }

    /// A fresh server for it.
    pub fn backend(self, disk: Disk) -> Backend {
        match self.kind {
            Kind::Sql(engine, _) => Backend::database(engine, disk),
            _ => Backend::redis(disk),
        }
    }

    /// The shop, with everything on the shelf.
    pub async fn open(self, url: &str, clients: Clients, sale: &Arc<Sale>) -> Result<Arc<dyn Shop>> {
        let Clients { workers, connections } = clients;
        let shared = sale.clone();
        Ok(match self.kind {
            Kind::Stock { events } => Arc::new(stock::Stock::open(url, workers, sale, events).await?),
            Kind::GetDecr { refill } => Arc::new(get_decr::GetDecr::open(url, workers, shared, refill).await?),
            Kind::LuaCounter => Arc::new(lua_counter::LuaCounter::open(url, workers, shared).await?),
            Kind::LuaC => Arc::new(lua_c::LuaC::open(url, workers, shared).await?),
            Kind::Watch => Arc::new(watch::Watch::open(url, workers, shared).await?),
            Kind::Lock => Arc::new(lock::Lock::open(url, workers, shared).await?),
            Kind::Sql(Engine::Postgres, style) => {
                Arc::new(postgres::SqlShop::open(url, style, connections, shared).await?)
            }
            Kind::Sql(Engine::MariaDb, style) => {
                Arc::new(mariadb::SqlShop::open(url, style, connections, shared).await?)
            }
        })
    }
}
