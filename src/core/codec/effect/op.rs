//! The changes by their numbers in the encoding. The top bit says that an epoch follows.

pub const CREATED: u8 = 1;
pub const SET: u8 = 2;
pub const ADDED: u8 = 3;
pub const SUSPENDED: u8 = 4;
pub const RESUMED: u8 = 5;
pub const POLICY: u8 = 6;
pub const LIMIT_SET: u8 = 7;
pub const LIMIT_REMOVED: u8 = 8;
pub const RESERVED: u8 = 9;
pub const AMENDED: u8 = 10;
pub const EXTENDED: u8 = 11;
pub const CONFIRMED: u8 = 12;
pub const LATE: u8 = 13;
pub const LATE_PLACED: u8 = 14;
pub const RELEASED: u8 = 15;
pub const CANCELLED: u8 = 16;
pub const EXPIRED: u8 = 17;
pub const RETURNED: u8 = 18;
pub const UNVERIFIED_RETURN: u8 = 19;
pub const PURGED: u8 = 20;
pub const RECONCILED: u8 = 21;
/// No change of its own: the stream entry in which the change before it was published.
pub const EVENT_REF: u8 = 22;
/// As RELEASED, where another order takes units in the same step.
pub const REPLACED: u8 = 23;
/// As RESERVED, with the units that the order whose place it takes gave up.
pub const REPLACING: u8 = 24;
/// As AMENDED, where another order takes the units in the same step.
pub const PARTED: u8 = 25;
/// The order that takes the units which PARTED took from another one.
pub const SPLIT: u8 = 26;
/// No change of its own: the sale window of the policy before it, where it has one.
pub const POLICY_SCHEDULE: u8 = 28;
pub const SCHEDULED: u8 = 29;
pub const OPENED: u8 = 30;
pub const ENDED: u8 = 31;
pub const TRANSFERRED: u8 = 32;
/// No change of its own: what orders remember by the policy behind it.
pub const REMEMBER: u8 = 38;
/// As RESERVED, with the deadline, the names and the limits of the one before it in the effect.
pub const ALIKE: u8 = 41;
/// No change of its own: events are packed by the policy behind it.
pub const PACKED_EVENTS: u8 = 40;
/// No change of its own: the named time zones of the limits in the change behind it.
pub const ZONES: u8 = 34;
pub const RESOLVED: u8 = 35;
pub const CREDITED: u8 = 36;
/// Units, or a quota of a limit, leave for another pool or arrive from one.
pub const SHIFTED: u8 = 44;
