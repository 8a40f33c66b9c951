//! The names of orders and buyers: of fixed length, different for each number, and in no order.

/// The bytes of an order's id.
pub const ORDER: usize = 20;
/// The bytes of a buyer's id.
pub const USER: usize = 10;

/// How many regions there are.
pub const REGIONS: u64 = 31;
/// How many stores there are.
pub const STORES: u64 = 199;

/// The id of the n-th order.
pub fn order(n: u64) -> [u8; ORDER] {
    // A bijection (splitmix64), so that no two orders are the same and none follows from the one
    // before.
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    digits(z ^ (z >> 31))
}

/// The id of the n-th buyer; they begin again after 2^32.
pub fn user(n: u64) -> [u8; USER] {
    let mut z = (n as u32).wrapping_add(0x9e37_79b9);
    z = (z ^ (z >> 16)).wrapping_mul(0x21f0_aaad);
    z = (z ^ (z >> 15)).wrapping_mul(0x735a_2d97);
    digits(u64::from(z ^ (z >> 15)))
}

/// The region of the n-th buyer.
pub fn region(n: u64) -> [u8; 3] {
    prefixed(b'r', n % REGIONS)
}

/// The store of the n-th buyer.
pub fn store(n: u64) -> [u8; 4] {
    prefixed(b's', n % STORES)
}

fn prefixed<const LEN: usize>(letter: u8, number: u64) -> [u8; LEN] {
    let mut text = digits(number);
    if let Some(first) = text.first_mut() {
        *first = letter;
    }
    text
}

/// The number in decimal, with zeros before it.
fn digits<const LEN: usize>(mut number: u64) -> [u8; LEN] {
    let mut text = [b'0'; LEN];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let orders: HashSet<_> = (0..100_000).map(order).collect();
        let users: HashSet<_> = (0..100_000).map(user).collect();
        assert_eq!((orders.len(), users.len()), (100_000, 100_000));
        assert_eq!((&region(33), &store(198)), (b"r02", b"s198"));
    }
}
