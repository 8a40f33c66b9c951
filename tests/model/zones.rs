//! Time zones by name, against a table that another library has written:
//! `testkit/src/reference/zones.txt`.

use redis_stock::command::host::Origin;
use redis_stock::core::model::window::Window;
use redis_stock::core::model::zone::{Tz, Zone};
use redis_stock::core::ops::roll::plan;

use testkit::host::Host;
use testkit::reference::{zone_tables, zone_window, ZoneTable};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The years 2024 to 2030.
const YEARS_MS: std::ops::Range<i64> = 1_704_067_200_000..1_924_992_000_000;
const WINDOWS: [(&str, Window); 4] =
    [("hour", Window::Hour), ("day", Window::Day), ("week", Window::Week), ("month", Window::Month)];

fn tz(table: &ZoneTable) -> Tz {
    Tz::Named(Zone::find(table.name.as_bytes()).unwrap_or_else(|| panic!("{} is not built in", table.name)))
}

/// (when, minutes before, minutes after) of each change of an offset from 2024 to 2030.
fn changes(table: &ZoneTable) -> Vec<(i64, i64, i64)> {
    let pairs = table.offsets.windows(2).map(|pair| (pair[1].0 as i64 * 1_000, pair[0].1 as i64, pair[1].1 as i64));
    pairs.filter(|(at_ms, ..)| YEARS_MS.contains(at_ms)).collect()
}

fn check(place: usize, at_ms: i64) {
    let table = &zone_tables()[place];
    for (word, window) in WINDOWS {
        let found = tz(table).window(window, at_ms);
        assert_eq!(found, zone_window(place, word, at_ms), "{} {word} at {at_ms}", table.name);
    }
}

#[test]
fn every_change_of_an_offset_is_where_another_library_says() {
    let mut walked = 0;
    for (place, table) in zone_tables().iter().enumerate() {
        for (at_ms, ..) in changes(table) {
            for half in -2 * 27..2 * 27 {
                check(place, at_ms + half * HOUR_MS / 2);
            }
            for around_ms in [-1, 1, DAY_MS - 1, HOUR_MS - 1] {
                check(place, at_ms + around_ms);
            }
            walked += 1;
        }
        // Zones whose clocks never change, and the days between.
        for week in 0..366 {
            check(place, YEARS_MS.start + week * 7 * DAY_MS + week * HOUR_MS);
        }
    }
    println!("{walked} changes of offsets");
    assert_eq!(walked, 174);
}

#[test]
fn windows_follow_each_other_without_a_gap_for_seven_years() {
    for table in zone_tables() {
        for (word, window) in WINDOWS {
            let mut at_ms = YEARS_MS.start;
            while at_ms < YEARS_MS.end {
                let (start_ms, end_ms) = tz(table).window(window, at_ms);
                assert!(start_ms <= at_ms && at_ms < end_ms, "{} {word} at {at_ms}", table.name);
                assert_eq!(tz(table).window(window, end_ms - 1), (start_ms, end_ms), "{} {word}", table.name);
                at_ms = end_ms;
            }
        }
    }
}

/// The lengths of days in hours and minutes that occur from 2024 to 2030, and the zones in which a
/// midnight is never shown.
#[test]
fn days_are_as_long_as_people_there_say() {
    let lengths = |name: &str| {
        let table = zone_tables().iter().find(|table| table.name == name).unwrap_or_else(|| panic!("{name}"));
        let mut lengths = std::collections::BTreeSet::new();
        let mut at_ms = tz(table).window(Window::Day, YEARS_MS.start).0;
        while at_ms < YEARS_MS.end {
            let end_ms = tz(table).window(Window::Day, at_ms).1;
            lengths.insert((end_ms - at_ms) / 60_000);
            at_ms = end_ms;
        }
        lengths.into_iter().map(|minutes| format!("{}:{:02}", minutes / 60, minutes % 60)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(lengths("Europe/Berlin"), "23:00 24:00 25:00");
    assert_eq!(lengths("America/New_York"), "23:00 24:00 25:00");
    assert_eq!(lengths("Australia/Lord_Howe"), "23:30 24:00 24:30");
    assert_eq!(lengths("Antarctica/Troll"), "22:00 24:00 26:00");
    assert_eq!(lengths("Africa/Casablanca"), "23:00 24:00 25:00");
    assert_eq!(lengths("Pacific/Apia"), "24:00");
    let without_midnight: Vec<&str> =
        zone_tables().iter().filter(|table| skips_midnight(table)).map(|t| t.name).collect();
    assert_eq!(
        without_midnight,
        ["America/Santiago", "America/Havana", "Asia/Beirut", "Africa/Cairo", "America/Asuncion"]
    );
}

fn skips_midnight(table: &ZoneTable) -> bool {
    changes(table).into_iter().any(|(at_ms, before, after)| {
        let day = |minutes: i64| (at_ms + minutes * 60_000 - 1).div_euclid(DAY_MS);
        after > before && day(after) > day(before)
    })
}

fn host(calls: &[&str]) -> Host {
    let mut host = Host::new(5);
    host.keys.strict = true;
    for text in calls {
        let answer = say(&mut host, YEARS_MS.start, text).0;
        assert_eq!(answer, "OK", "{text}");
    }
    host
}

/// The first word of the answer, and the effects.
fn say(host: &mut Host, now_ms: i64, text: &str) -> (String, Vec<Vec<Vec<u8>>>) {
    let mut argv: Vec<Vec<u8>> = text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    argv[0] = [b"STOCK.", argv[0].as_slice()].concat();
    let (answer, effects) = host.call(now_ms, Origin::Client, &argv);
    let word = answer.word().unwrap_or_else(|| format!("{answer:?}"));
    assert_eq!(host.verify(), Vec::<String>::new(), "{text}");
    (word, effects)
}

/// The moment on 2026-10-25 at which clocks in Berlin are set back from 3:00 to 2:00.
const SET_BACK_MS: i64 = 1_792_890_000_000;

#[test]
fn a_value_buys_once_a_local_day_also_where_it_has_25_hours() {
    let mut host =
        host(&["SET k 100", "LIMIT k user 1 PER DAY TZ Europe/Berlin", "LIMIT k * 50 PER HOUR TZ europe/berlin"]);
    let midnight_ms = SET_BACK_MS - 3 * HOUR_MS;
    let hours = [(0, "OK"), (1, "LIMITED"), (24, "LIMITED"), (25, "OK"), (48, "LIMITED"), (49, "OK")];
    for (hour, word) in hours {
        let call = format!("RESERVE k o{hour} 1 EX 99999999 FOR user u");
        assert_eq!(say(&mut host, midnight_ms + hour * HOUR_MS, &call).0, word, "{hour}");
        host.reload();
    }
}

/// A pool has windows of many lengths and zones: each ends by itself.
#[test]
fn each_limit_goes_by_its_own_window() {
    let mut host = host(&[
        "SET k 100",
        "LIMIT k user 9 PER DAY TZ Europe/Berlin",
        "LIMIT k user 1 PER HOUR TZ Europe/Berlin",
        "LIMIT k user 3 PER DAY TZ Asia/Kathmandu",
    ]);
    // Midnight in Kathmandu, 5:45 ahead, is 18:15 UTC.
    let evening_ms = SET_BACK_MS + 14 * HOUR_MS;
    let minutes = [
        (0, "OK"),
        (59, "LIMITED"),
        (60, "OK"),
        (119, "LIMITED"),
        (120, "OK"),
        (180, "LIMITED"),
        (194, "LIMITED"),
        (195, "OK"),
    ];
    for (minute, word) in minutes {
        let now_ms = evening_ms + minute * 60_000;
        // The first change of an hour finds its windows, the second one notes how long all of them
        // hold.
        for user in ["u", "v"] {
            let call = format!("RESERVE k {user}{minute} 1 EX 99999999 FOR user {user}");
            assert_eq!(say(&mut host, now_ms, &call).0, word, "minute {minute}");
            // A change is written down with every window in which it counts, or a replica counts
            // elsewhere.
            if word == "OK" {
                assert!(plan(host.pool(b"k"), now_ms).is_empty(), "minute {minute}");
            }
        }
    }
}

/// Two builds may have other tables, and a replica may read at any time.
#[test]
fn a_replica_counts_in_the_windows_of_its_primary() {
    let mut primary = host(&["SET k 100", "LIMIT k user 5 PER DAY TZ Europe/Berlin"]);
    let mut replica = primary.twin();
    let mut follow = |effects: Vec<Vec<Vec<u8>>>| {
        for effect in effects {
            replica.call(SET_BACK_MS, Origin::Replication, &effect);
        }
        // A read at another time finds another window.
        say(&mut replica, SET_BACK_MS + 90 * DAY_MS, "USAGE k FOR user u");
        assert_eq!(replica.verify(), Vec::<String>::new());
        replica.state()
    };
    for (after_ms, text) in [
        (0, "RESERVE k a 2 EX 999999 FOR user u"),
        (HOUR_MS, "RESERVE k b 1 EX 999999 FOR user u"),
        (2 * HOUR_MS, "RELEASE k b"),
        (26 * HOUR_MS, "RESERVE k c 1 EX 999999 FOR user u"),
        (26 * HOUR_MS, "RELEASE k a"),
        (27 * HOUR_MS, "CONFIRM k c"),
        // The clock steps back to the day before.
        (21 * HOUR_MS, "RETURN k c"),
    ] {
        let effects = say(&mut primary, SET_BACK_MS + after_ms, text).1;
        assert_eq!(follow(effects), primary.state(), "{text}");
    }
}

#[test]
fn unknown_zones_change_nothing() {
    let mut host = host(&["SET k 100"]);
    let before = host.state();
    for text in [
        "LIMIT k user 1 PER DAY TZ Europe/Atlantis",
        "LIMIT k user 1 PER DAY TZ Europe",
        "LIMIT k user 1 PER DAY TZ Berlin",
        r#"SETPOLICY k {"limits":[{"by":["user"],"tz":"Mars/Olympus"}]}"#,
    ] {
        let (answer, effects) = say(&mut host, YEARS_MS.start, text);
        assert_eq!(answer, "ERR", "{text}");
        assert!(effects.is_empty());
    }
    assert_eq!(host.state(), before);
}

/// A pool that a newer build has saved, with a zone that this one does not know, is refused:
/// counting by another clock would be worse than a message.
#[test]
fn a_saved_zone_that_is_not_known_is_refused_by_name_of_the_fault() {
    let host = host(&["SET k 100", "LIMIT k user 5 PER DAY TZ Europe/Berlin"]);
    let state = host.state().remove(b"k".as_slice()).unwrap_or_default().concat();
    let at = state.windows(13).position(|bytes| bytes == b"Europe/Berlin").unwrap_or_default();
    for name in [b"Europe/Narnia", b"europe/berlin"] {
        let mut bytes = state.clone();
        bytes[at..at + 13].copy_from_slice(name);
        let refused = redis_stock::core::codec::Loader::new().feed(&bytes).map_err(|damage| damage.to_string());
        assert_eq!(refused, Err("a time zone is not known to this version of the module".into()));
    }
}
