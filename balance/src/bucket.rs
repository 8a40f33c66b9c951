//! What a bucket says of itself.

/// The bucket, 0 to `count` - 1, in which a value of the sharded pool's dimension buys.
#[must_use]
pub fn bucket_of(value: &[u8], count: u32) -> u32 {
    let hashed = |h: u32, byte: &u8| (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let mut h = value.iter().fold(0x811c_9dc5, hashed);
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^= h >> 16;
    ((u64::from(h) * u64::from(count)) >> 32) as u32
}

/// What a bucket has of a limit's `max`, for one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota {
    /// The limit as answers name it: `region/day/units`.
    pub limit: String,
    /// The values of its dimensions, in their order.
    pub values: Vec<Vec<u8>>,
}

/// One line of `STOCK.SHIFTS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The other bucket's key.
    pub peer: String,
    /// What shifts: a quota of a limit; `None` = units.
    pub quota: Option<Quota>,
    /// Ever sent to the peer.
    pub sent: i64,
    /// Ever received from the peer.
    pub received: i64,
    /// From when the peer may use what was sent last, Unix ms.
    pub since_ms: i64,
}

/// One bucket, as it was seen last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its key.
    pub key: String,
    /// What can be bought here; below 0: what it owes, since a failover has made units exist twice,
    /// or since it has less than its safety stock.
    pub available: i64,
    /// How fast it sells: units a second, or any number that is proportional to it.
    pub rate: i64,
    /// What has shifted.
    pub lanes: Vec<Lane>,
}

impl Bucket {
    /// What it has ever sent of something to a peer.
    #[must_use]
    pub fn sent(&self, peer: &str, quota: Option<&Quota>) -> i64 {
        let lane = self.lanes.iter().find(|lane| lane.peer == peer && lane.quota.as_ref() == quota);
        lane.map_or(0, |lane| lane.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte that is none of a plain word stands as `\xff`.
    fn bytes(word: &str) -> Vec<u8> {
        let (first, rest) = word.split_once("\\x").map_or((word, None), |(first, rest)| (first, Some(rest)));
        let mut bytes = first.as_bytes().to_vec();
        for part in rest.into_iter().flat_map(|rest| rest.split("\\x")) {
            bytes.push(u8::from_str_radix(&part[..2], 16).expect("two hexadecimal digits"));
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        bytes
    }

    #[test]
    fn buckets_are_those_of_the_client_libraries() {
        let vectors = include_str!("../../clients/vectors/buckets.txt");
        let mut checked = 0;
        for line in vectors.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let [value, count, bucket] = *line.split(' ').collect::<Vec<_>>() else { panic!("{line}") };
            let bucket: u32 = bucket.parse().expect("a bucket");
            assert_eq!(bucket_of(&bytes(value), count.parse().expect("a count")), bucket, "{line}");
            checked += 1;
        }
        assert!(checked > 50);
    }
}
