//! The calls of the module that rows, setups and tails make.

use super::scripts::Scripts;
use crate::ids;
use crate::wire::Calls;

/// The pools of a cart. The first is that of all other rows.
pub const POOLS: [&str; 3] = ["{618}tea", "{618}cup", "{618}pot"];
/// The buyers who have used up the limit, in the row LIMITED.
pub const GREEDY_BUYERS: u32 = 1_000;

/// How a reply of RESERVE begins that has reserved.
pub const RESERVED: &[u8] = b"*4\r\n$2\r\nOK\r\n";
/// How a reply of MRESERVE begins that has reserved.
pub const CART_RESERVED: &[u8] = b"*2\r\n$2\r\nOK\r\n";

/// How many orders stand in a batch.
pub const BATCH_ORDERS: u64 = 64;
/// How a reply of RESERVEBATCH begins whose first order has reserved.
pub const BATCH_RESERVED: &[u8] = b"*64\r\n*4\r\n$2\r\nOK\r\n";

/// How long a hold lasts, unless said otherwise.
const HOLD: [&[u8]; 2] = [b"EX", b"900"];

/// `STOCK.RESERVE key order 1 EX 900 FOR user … region … store …`, or the floor with the same
/// arguments.
pub fn reserve(command: &[u8], calls: &mut Calls, order: u64, user: u64) {
    reserve_until(&[command], HOLD, calls, order, user);
}

/// The same with another hold, and with whatever words come before the key.
pub fn reserve_until(command: &[&[u8]], hold: [&[u8]; 2], calls: &mut Calls, order: u64, user: u64) {
    let (order, buyer, region, store) = (ids::order(order), ids::user(user), ids::region(user), ids::store(user));
    let content: [&[u8]; 3] = [POOLS[0].as_bytes(), &order, b"1"];
    let whom: [&[u8]; 7] = [b"FOR", b"user", &buyer, b"region", &region, b"store", &store];
    calls.add(&[command, &content, &hold, &whom].concat());
}

/// `STOCK.MRESERVE order 3 key key key QTY 1 1 1 EX 900 FOR user … region … store …`
pub fn cart(_: &Scripts, calls: &mut Calls, n: u64) {
    cart_of(calls, n, n, &[]);
}

/// The same with these words before FOR.
pub fn cart_of(calls: &mut Calls, order: u64, user: u64, words: &[&[u8]]) {
    let (order, buyer, region, store) = (ids::order(order), ids::user(user), ids::region(user), ids::store(user));
    let [tea, cup, pot] = POOLS.map(str::as_bytes);
    let content: [&[u8]; 6] = [b"STOCK.MRESERVE", &order, b"3", tea, cup, pot];
    let quantities: [&[u8]; 4] = [b"QTY", b"1", b"1", b"1"];
    let whom: [&[u8]; 7] = [b"FOR", b"user", &buyer, b"region", &region, b"store", &store];
    calls.add(&[&content[..], &quantities, &HOLD, words, &whom].concat());
}

/// `STOCK.RESERVEBATCH key EX 900 DIMS 3 user region store ORDERS 64 order 1 user region store …`
pub fn batch(_: &Scripts, calls: &mut Calls, n: u64) {
    let count = BATCH_ORDERS.to_string();
    let mut words: Vec<Vec<u8>> = [b"STOCK.RESERVEBATCH".as_slice(), POOLS[0].as_bytes(), HOLD[0], HOLD[1]]
        .iter()
        .chain(&[b"DIMS".as_slice(), b"3", b"user", b"region", b"store", b"ORDERS", count.as_bytes()])
        .map(|word| word.to_vec())
        .collect();
    for n in n * BATCH_ORDERS..(n + 1) * BATCH_ORDERS {
        let order = [ids::order(n).to_vec(), b"1".to_vec(), ids::user(n).to_vec()];
        words.extend(order.into_iter().chain([ids::region(n).to_vec(), ids::store(n).to_vec()]));
    }
    calls.add(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
}
