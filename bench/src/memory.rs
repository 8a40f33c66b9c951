//! Memory per live order, by used_memory of the server.

use anyhow::Result;

use crate::compare::WIDTH;
use crate::goals::{Finding, Measure};
use crate::report::Section;
use crate::rows::calls;
use crate::rows::calls::POOLS;
use crate::rows::lua;
use crate::rows::scripts::Scripts;
use crate::rows::setup::{make_pool, Events};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::wire::Calls;

/// A server that takes more has gone wrong.
const MAX_MEMORY: Option<&str> = Some("12gb");
/// How often memory is looked at on the way.
const POINTS: u64 = 80;

/// Bytes per order at several numbers of orders.
type Curve = Vec<(u64, f64)>;

pub fn run(plan: &Plan<'_>, sizes: &Sizes) -> Result<Section> {
    let most = sizes.scaled(4_000_000);
    eprintln!("memory: {most} orders");
    let reserve = curve(plan, most, 1, calls::RESERVED, |_, calls, n| calls::reserve(b"STOCK.RESERVE", calls, n, n))?;
    let few = sizes.scaled(400_000);
    eprintln!("memory: the keys of C, carts, D");
    let c = curve(plan, sizes.scaled(1_000_000), 0, b":", |_, calls, n| lua::keys_of_c(calls, n))?;
    let cart = curve(plan, few, 3, calls::CART_RESERVED, calls::cart)?;
    let d = curve(plan, few, 0, b"*1\r\n:1\r\n", lua::d)?;

    // Below a quarter of the way the fixed costs of a pool are in the figure.
    let judged = || reserve.iter().filter(|(orders, _)| *orders >= most / 4);
    let worst = judged().max_by(|a, b| a.1.total_cmp(&b.1)).copied().unwrap_or((0, f64::NAN));
    let best = judged().map(|(_, bytes)| *bytes).fold(f64::INFINITY, f64::min);
    let detail = format!("at {} orders; best {best:.1}, between {} and {most}", worst.0, most / 4);
    let finding = Finding { measure: Measure::MemoryOfOrder, figure: worst.1, detail, caveat: sizes.caveat() };

    let mut section = Section::new("Memory per live order");
    section.line("used_memory beside that of the empty server, by order. Ids of 20 bytes for orders and 10 for users, every user new, 3 limits (user, region, store) a day.\n");
    section.line("| keys | orders | bytes per order |\n|---|---|---|");
    let quarter = |curve: &Curve, of: u64| at(curve, of).map_or("-".to_string(), |bytes| format!("{bytes:.1}"));
    for part in 1..=4 {
        let orders = most / 4 * part;
        section.line(&format!("| a pool, RESERVE with 3 limits | {orders} | {} |", quarter(&reserve, orders)));
    }
    section.line(&format!("| the same, worst point from {} on | {} | {:.1} |", most / 4, worst.0, worst.1));
    section.line(&format!("| C and C2 | {} | {} |", last(&c).0, last(&c).1.round()));
    section.line(&format!(
        "| three pools, MRESERVE 3 × 3 (per cart) | {} | {} |",
        last(&cart).0,
        last(&cart).1.round()
    ));
    section.line(&format!("| D (per cart) | {} | {} |", last(&d).0, last(&d).1.round()));
    section.findings.push(finding);
    Ok(section)
}

/// Makes orders, and looks at the memory on the way.
fn curve(
    plan: &Plan<'_>,
    orders: u64,
    pools: usize,
    reply: &[u8],
    make: impl Fn(&Scripts, &mut Calls, u64),
) -> Result<Curve> {
    let server = Server::start(plan, Options { max_memory: MAX_MEMORY, ..Options::default() })?;
    let (mut connection, mut load) = (server.connection()?, server.load(WIDTH)?);
    let scripts = Scripts::load(&mut connection)?;
    for pool in &POOLS[..pools] {
        make_pool(&mut connection, pool, "1000000000", 3, Events::None)?;
    }
    for key in ["stock", "stock1", "stock2", "stock3"] {
        connection.call(&["SET", key, "1000000000"])?;
    }
    // Buffers of the connections are there from here on.
    load.fill(0, 2_000, b"+PONG", |calls, _| calls.add(&[b"PING"]))?;
    let empty = connection.figure("memory", "used_memory")?;
    let (mut curve, step) = (Curve::new(), (orders / POINTS).max(1));
    let mut at = 0;
    while at < orders {
        let some = step.min(orders - at);
        load.fill(at, some, reply, |calls, n| make(&scripts, calls, n))?;
        at += some;
        curve.push((at, (connection.figure("memory", "used_memory")? - empty) / at as f64));
    }
    Ok(curve)
}

fn at(curve: &Curve, orders: u64) -> Option<f64> {
    curve.iter().find(|(there, _)| *there >= orders).map(|(_, bytes)| *bytes)
}

fn last(curve: &Curve) -> (u64, f64) {
    curve.last().copied().unwrap_or((0, f64::NAN))
}
