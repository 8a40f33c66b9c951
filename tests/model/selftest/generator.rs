//! How answers are compared, and what the generator makes.

use super::*;

#[test]
fn replies_compare_as_the_tests_need_it() {
    let map = |epoch: &str, seq: i64| {
        Reply::Map(vec![(Reply::bulk("epoch"), Reply::bulk(epoch)), (Reply::bulk("seq"), Reply::Int(seq))])
    };
    assert!(same(&map("a", 1), &map("b", 1)));
    assert!(!same(&map("a", 1), &map("a", 2)));
    let flat = |words: &[&str]| Reply::Array(words.iter().map(Reply::bulk).collect());
    assert!(!same(&Reply::Status("x".into()), &Reply::bulk("x")));
    assert!(same(&Reply::Status("x".into()), &Reply::Status("x".into())));
    assert!(same(&Reply::Error("ERR a".into()), &Reply::Error("ERR b".into())));
    assert!(!same(&Reply::Error("ERR a".into()), &Reply::Error("NODIM a".into())));
    assert!(!same(&Reply::Error("ERR".into()), &Reply::bulk("ERR")));
    let listing = |words: &[&str]| Reply::Array(vec![Reply::bulk("0"), flat(words)]);
    let (one, other) = (listing(&["a", "x", "b", "y"]), listing(&["b", "y", "a", "x"]));
    assert!(same_for(b"STOCK.ORDERS", &one, &other));
    assert!(!same(&one, &other));
    assert!(!same_for(b"STOCK.ORDERS", &one, &listing(&["a", "x"])));
}

/// Runs a generator against the model: the share of calls that change something, in percent.
fn share_of_changes(profile: Profile) -> usize {
    let (mut calls, mut changed) = (0, 0);
    for seed in 0..8 {
        let mut generator = Generator::with(seed, profile);
        let mut twin = Generator::with(seed, profile);
        let mut model = Reference::new(Config::default());
        let mut now_ms = START_MS;
        for _ in 0..5_000 {
            let step = generator.next();
            assert_eq!(step, twin.next(), "a generator is a function of its seed");
            now_ms += step.advance_ms;
            assert_eq!(now_ms, generator.now_ms());
            let before = model.changes();
            model.call(now_ms, &step.argv);
            calls += 1;
            changed += usize::from(model.changes() != before);
        }
    }
    changed * 100 / calls
}

#[test]
fn enough_of_the_generated_calls_change_something() {
    let share = share_of_changes(Profile::default());
    println!("{share} % with backlogs");
    assert!(share >= 36, "{share} %");
    let ordinary = Profile { backlogs: false, ..Profile::default() };
    let share = share_of_changes(ordinary);
    println!("{share} % without");
    assert!(share >= 33, "{share} %");
}

#[test]
fn reads_change_nothing_and_pools_add_up() {
    for seed in 100..104 {
        let mut generator = Generator::new(seed);
        let mut model = Reference::new(Config::default());
        let mut now_ms = START_MS;
        for _ in 0..4_000 {
            let step = generator.next();
            now_ms += step.advance_ms;
            model.call(now_ms, &step.argv);
            let keys: Vec<Vec<u8>> = model.keys().map(<[u8]>::to_vec).collect();
            let before = model.changes();
            for key in keys {
                let got = model.call(now_ms, &[b"STOCK.GET".to_vec(), key]);
                let number = |name: &str| match got.field(name) {
                    Some(Reply::Int(value)) => *value,
                    _ => 0,
                };
                assert!(number("reserved") >= 0);
                if number("unlimited") == 0 {
                    let free = number("on_hand") - number("reserved") - number("safety");
                    assert_eq!(free, number("available") - number("shortfall"));
                }
            }
            assert_eq!(before, model.changes());
        }
    }
}
