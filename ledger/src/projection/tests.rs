use super::*;
use crate::event::{Event, Kind};

const POOL: &str = "sku:1";

fn event(kind: Kind, epoch: char, seq: i64, order: &str, qty: i64, out: i64) -> Event {
    Event {
        kind,
        pool: POOL.to_string(),
        db: 0,
        epoch: epoch.to_string().repeat(16),
        seq,
        order: (!order.is_empty()).then(|| order.to_string()),
        qty,
        at_ms: 1000 + seq,
        unlimited: false,
        out,
        attributes: String::new(),
        token: None,
    }
}

fn epoch(c: char) -> String {
    c.to_string().repeat(16)
}

fn projection(quantity: i64) -> Projection {
    let mut projection = Projection::default();
    projection.positions.insert(POOL.to_string(), Position::default());
    projection.stock_rows.insert(POOL.to_string(), StockRow::new(quantity, 0));
    projection
}

fn feed(projection: &mut Projection, events: &[Event]) {
    let mut before = None;
    for event in events {
        projection.apply(event, before, Past::Unknown);
        before = Some((event.seq, event.out));
    }
}

fn stock_row(projection: &Projection) -> i64 {
    projection.stock_rows[POOL].quantity
}

fn line<'a>(projection: &'a Projection, order: &str) -> &'a OrderLine {
    &projection.lines[&(POOL.to_string(), order.to_string())].line
}

fn kinds(projection: &Projection) -> Vec<&'static str> {
    projection.incidents.iter().map(|i| i.kind).collect()
}

fn first_sale() -> Vec<Event> {
    vec![
        event(Kind::Other, 'a', 1, "", 10, 0),
        event(Kind::Reserved, 'a', 2, "o1", 3, 0),
        event(Kind::Confirmed, 'a', 3, "o1", 3, 3),
        event(Kind::Reserved, 'a', 4, "o2", 1, 3),
        event(Kind::Returned, 'a', 5, "o1", 1, 2),
        event(Kind::Expired, 'a', 6, "o2", 1, 2),
    ]
}

#[test]
fn a_sale_takes_effect_once() {
    let mut projection = projection(10);
    feed(&mut projection, &first_sale());
    for _ in 0..3 {
        feed(&mut projection, &first_sale());
    }
    assert_eq!(stock_row(&projection), 8);
    let o1 = line(&projection, "o1");
    assert_eq!((o1.state, o1.qty, o1.returned, o1.units_taken), (State::Confirmed, 3, 1, 2));
    assert_eq!(line(&projection, "o2").state, State::Expired);
    assert_eq!((projection.applied, kinds(&projection)), (6, vec![]));
}

#[test]
fn a_gap_is_made_up_for_and_reported() {
    let mut projection = projection(10);
    let mut events = first_sale();
    events.remove(2);
    feed(&mut projection, &events);
    assert_eq!(stock_row(&projection), 8);
    assert_eq!((kinds(&projection), projection.incidents[0].units), (vec!["gap"], 3));
    // Also where the missing one is the last before a benign new epoch.
    feed(&mut projection, &[event(Kind::Confirmed, 'b', 9, "o3", 2, 5)]);
    assert_eq!((stock_row(&projection), kinds(&projection)), (5, vec!["gap", "gap"]));
    assert_eq!(projection.incidents[1].units, 1);
}

#[test]
fn a_return_without_restock_moves_nothing() {
    let mut projection = projection(10);
    let mut events = first_sale();
    events.truncate(4);
    events.push(event(Kind::Returned, 'a', 5, "o1", 3, 3));
    feed(&mut projection, &events);
    let o1 = line(&projection, "o1");
    assert_eq!((o1.state, o1.returned, o1.units_taken, stock_row(&projection)), (State::Returned, 3, 3, 7));
}

#[test]
fn a_new_epoch_that_goes_on_is_no_incident() {
    let mut projection = projection(10);
    feed(&mut projection, &first_sale());
    let next = [event(Kind::Reserved, 'b', 7, "o3", 1, 2), event(Kind::Confirmed, 'b', 8, "o3", 1, 3)];
    feed(&mut projection, &next);
    // The whole stream again from its start: the old epoch is known, and dropped.
    projection.known_epochs.extend(projection.entered.clone());
    feed(&mut projection, &first_sale());
    feed(&mut projection, &next);
    assert_eq!(
        (stock_row(&projection), kinds(&projection), projection.positions[POOL].needs_audit),
        (7, vec![], false)
    );
}

/// Redis loses everything from change 3 on. What was paid there is in the database, and stays.
fn after_failover() -> (Projection, Vec<Event>) {
    let mut projection = projection(10);
    feed(&mut projection, &first_sale()[..3]);
    assert_eq!(stock_row(&projection), 7);
    let mut stream = first_sale();
    stream.truncate(2);
    (projection, stream)
}

#[test]
fn a_payment_that_redis_lost_is_not_counted_twice() {
    let (mut projection, mut stream) = after_failover();
    stream.push(event(Kind::Confirmed, 'b', 3, "o1", 3, 3));
    stream.push(event(Kind::Reserved, 'b', 4, "o9", 1, 3));
    feed(&mut projection, &stream);
    assert_eq!((kinds(&projection), projection.incidents[0].units), (vec!["fork"], 3));
    assert_eq!(stock_row(&projection), 7);
    assert!(projection.positions[POOL].needs_audit);
    let o1 = line(&projection, "o1");
    assert_eq!((o1.state, o1.lost, o1.units_taken), (State::Confirmed, false, 3));
    let fork = Fork { pool: POOL.to_string(), epoch: epoch('b'), from_seq: 3 };
    assert_eq!(projection.marks, vec![Mark::Lost(fork)]);
}

#[test]
fn a_lost_payment_stays_off_the_shelf_while_others_buy() {
    let (mut projection, mut stream) = after_failover();
    stream.push(event(Kind::Reserved, 'b', 3, "o9", 2, 0));
    stream.push(event(Kind::Confirmed, 'b', 4, "o9", 2, 2));
    feed(&mut projection, &stream);
    assert_eq!(stock_row(&projection), 5);
    assert!(line(&projection, "o1").lost);
    // The payment comes again, of an order that was reserved again, and of fewer units.
    feed(&mut projection, &[event(Kind::Reserved, 'b', 5, "o1", 2, 2), event(Kind::Confirmed, 'b', 6, "o1", 2, 4)]);
    assert_eq!((stock_row(&projection), line(&projection, "o1").lost), (6, false));
}

#[test]
fn a_lost_return_is_not_counted_twice() {
    let mut projection = projection(10);
    feed(&mut projection, &first_sale()[..5]);
    assert_eq!(stock_row(&projection), 8);
    let mut stream = first_sale();
    stream.truncate(4);
    stream.push(event(Kind::Returned, 'b', 5, "o1", 1, 2));
    feed(&mut projection, &stream);
    let o1 = line(&projection, "o1");
    assert_eq!((stock_row(&projection), o1.returned, o1.units_taken, o1.lost), (8, 1, 2, false));
    // The next one is new.
    feed(&mut projection, &[event(Kind::Returned, 'b', 6, "o1", 2, 0)]);
    let o1 = line(&projection, "o1");
    assert_eq!((stock_row(&projection), o1.returned, o1.state), (10, 3, State::Returned));
}

/// One event that the stream says nothing before, and Redis's answer about it.
fn asked(projection: &mut Projection, event: &Event, past: Past) {
    assert!(projection.question(event, None).is_some(), "{event:?}");
    projection.apply(event, None, past);
}

#[test]
fn where_an_epoch_ended_is_asked_when_the_stream_does_not_tell() {
    let (mut projection, _) = after_failover();
    let trimmed = event(Kind::Reserved, 'b', 5, "o8", 1, 2);
    let question = projection.question(&trimmed, None).expect("a question");
    assert_eq!((question.seq, question.position.seq, question.known.len()), (5, 3, 0));
    // The change before it tells where it began; an entry with its number and another `out` is of
    // another pool.
    assert_eq!(projection.question(&trimmed, Some((4, 2))), None);
    assert!(projection.question(&trimmed, Some((4, 1))).is_some());
    // It ended at out 0: two units have left since then, and three are lost.
    asked(&mut projection, &trimmed, Past::Common { seq: 2, out: 0 });
    assert_eq!((stock_row(&projection), kinds(&projection)), (5, vec!["fork"]));
    assert!(line(&projection, "o1").lost);
}

#[test]
fn a_loss_across_two_epochs_marks_the_lines_of_both() {
    let mut projection = projection(10);
    feed(&mut projection, &first_sale()[..3]);
    feed(&mut projection, &[event(Kind::Reserved, 'b', 4, "o2", 1, 3), event(Kind::Confirmed, 'b', 5, "o2", 1, 4)]);
    // Redis has change 2 of the first epoch and nothing after it; the new epoch is seen from its
    // change 9 on.
    asked(&mut projection, &event(Kind::Reserved, 'c', 9, "o9", 1, 0), Past::Common { seq: 2, out: 0 });
    assert!(line(&projection, "o1").lost && line(&projection, "o2").lost && !line(&projection, "o9").lost);
    // Both payments come again.
    let again = [event(Kind::Confirmed, 'c', 10, "o1", 3, 3), event(Kind::Late, 'c', 11, "o2", 1, 4)];
    feed(&mut projection, &again);
    assert_eq!((stock_row(&projection), kinds(&projection)), (6, vec!["fork"]));
}

#[test]
fn a_pool_made_anew_begins_at_nothing() {
    let mut projection = projection(10);
    feed(&mut projection, &first_sale());
    feed(&mut projection, &[event(Kind::Other, 'c', 1, "", 50, 0), event(Kind::Late, 'c', 2, "o5", 4, 4)]);
    assert_eq!((stock_row(&projection), kinds(&projection)), (4, vec!["recreated"]));
}

/// Its stream was named by its policy: the first changes were not published.
#[test]
fn a_pool_made_anew_is_known_by_what_redis_says() {
    for seq in [4, 6, 7, 9] {
        let mut projection = projection(10);
        feed(&mut projection, &first_sale());
        // Also where it is published right behind the last entry of the old one.
        let first = event(Kind::Other, 'c', seq, "", 0, 0);
        assert!(projection.question(&first, Some((6, 2))).is_some(), "{seq}");
        projection.apply(&first, Some((6, 2)), Past::Foreign);
        assert_eq!((stock_row(&projection), kinds(&projection)), (8, vec!["recreated"]), "{seq}");
        // A loss in the new one says nothing about orders of the old one.
        asked(&mut projection, &event(Kind::Other, 'd', 3, "", 0, 0), Past::Common { seq: 2, out: 0 });
        assert!(!line(&projection, "o1").lost && !line(&projection, "o2").lost, "{seq}");
    }
}

#[test]
fn nothing_comes_back_by_a_guess() {
    let mut projection = projection(10);
    feed(&mut projection, &first_sale());
    asked(&mut projection, &event(Kind::Other, 'c', 9, "", 0, 0), Past::Unknown);
    assert_eq!((stock_row(&projection), kinds(&projection)), (8, vec!["fork"]));
    assert!(projection.positions[POOL].needs_audit);
}

#[test]
fn what_is_older_than_the_position_is_dropped() {
    let mut projection = projection(10);
    let joined = Position { epoch: epoch('c'), seq: 20, out: 7, ..Position::default() };
    projection.positions.insert(POOL.to_string(), joined.clone());
    asked(&mut projection, &event(Kind::Other, 'a', 1, "", 10, 0), Past::Older);
    feed(&mut projection, &first_sale());
    // The entry before it is the change before it, and yet it is old.
    let next = event(Kind::Confirmed, 'b', 7, "o3", 2, 4);
    assert!(projection.question(&next, Some((6, 2))).is_some());
    projection.apply(&next, Some((6, 2)), Past::Older);
    assert_eq!((stock_row(&projection), kinds(&projection), &projection.positions[POOL]), (10, vec![], &joined));
    feed(&mut projection, &[event(Kind::Confirmed, 'c', 21, "o4", 1, 8)]);
    assert_eq!((stock_row(&projection), projection.applied, kinds(&projection)), (9, 1, vec![]));
}

fn token(event: Event, token: &str) -> Event {
    Event { token: Some(token.to_string()), ..event }
}

/// A database that has `events`, and a Redis that has lost those from `seq` on.
fn lost_from(seq: i64, events: &[Event]) -> Projection {
    let mut projection = projection(10);
    feed(&mut projection, events);
    let out = events.iter().rfind(|e| e.seq < seq).map_or(0, |e| e.out);
    asked(&mut projection, &event(Kind::Other, 'b', seq, "", 0, out), Past::Common { seq: seq - 1, out });
    projection
}

#[test]
fn a_restock_that_comes_again_by_its_token_is_not_counted_twice() {
    let added = |epoch, seq, out| event(Kind::Added, epoch, seq, "", 50, out);
    let mut projection = lost_from(2, &[event(Kind::Other, 'a', 1, "", 10, 0), token(added('a', 2, -50), "d7")]);
    assert_eq!(stock_row(&projection), 60);
    feed(&mut projection, &[token(added('b', 3, -50), "d7")]);
    assert_eq!(stock_row(&projection), 60);
    // Another one, and once more the same token when Redis has forgotten it, are new.
    feed(&mut projection, &[token(added('b', 4, -100), "d8"), token(added('b', 5, -150), "d7")]);
    assert_eq!(stock_row(&projection), 160);
    // Without a token nobody can know.
    let mut projection = lost_from(2, &[event(Kind::Other, 'a', 1, "", 10, 0), added('a', 2, -50)]);
    feed(&mut projection, &[added('b', 3, -50)]);
    assert_eq!(stock_row(&projection), 110);
    let Some(Mark::Lost(fork)) = projection.marks.first() else { panic!("{:?}", projection.marks) };
    let incident = fork.incident(&[50]).expect("an incident");
    assert_eq!((incident.kind, incident.units), ("lost", 50));
}

/// As a restock and a write-off in one; what Redis lost, an incident, and its caller repeats is
/// known in both.
#[test]
fn a_transfer_moves_the_shelves_of_both_pools() {
    let moved = |epoch, seq, qty, out| token(event(Kind::Transferred, epoch, seq, "", qty, out), "m1");
    for (qty, expected) in [(-4, 6), (4, 14)] {
        let mut projection = lost_from(2, &[event(Kind::Other, 'a', 1, "", 10, 0), moved('a', 2, qty, -qty)]);
        assert_eq!((stock_row(&projection), kinds(&projection)), (expected, vec!["fork"]));
        assert_eq!(moved('b', 3, qty, -qty).is_first_half(), qty < 0);
        feed(&mut projection, &[moved('b', 3, qty, -qty)]);
        assert_eq!((stock_row(&projection), kinds(&projection)), (expected, vec!["fork"]));
    }
}

#[test]
fn returns_of_parts_are_known_by_their_tokens() {
    let mut events = first_sale()[..4].to_vec();
    events.push(token(event(Kind::Returned, 'a', 5, "o1", 1, 2), "r1"));
    events.push(token(event(Kind::Returned, 'a', 6, "o1", 1, 1), "r2"));
    let mut projection = lost_from(5, &events);
    assert_eq!(stock_row(&projection), 9);
    // A new one, and both of the lost ones again.
    feed(&mut projection, &[token(event(Kind::Returned, 'b', 6, "o1", 1, 2), "r3")]);
    assert_eq!((stock_row(&projection), line(&projection, "o1").returned), (10, 3));
    feed(&mut projection, &[token(event(Kind::Returned, 'b', 7, "o1", 1, 1), "r2")]);
    feed(&mut projection, &[token(event(Kind::Returned, 'b', 8, "o1", 1, 0), "r1")]);
    let o1 = line(&projection, "o1");
    assert_eq!((stock_row(&projection), o1.returned, o1.units_taken, o1.state), (10, 3, 0, State::Returned));
    // Where the payment was lost as well, and comes again, the return counts again.
    let mut projection = lost_from(3, &events);
    feed(&mut projection, &[event(Kind::Confirmed, 'b', 4, "o1", 3, 3)]);
    assert_eq!(stock_row(&projection), 7);
    feed(&mut projection, &[token(event(Kind::Returned, 'b', 5, "o1", 1, 2), "r1")]);
    assert_eq!((stock_row(&projection), line(&projection, "o1").returned), (8, 1));
}

#[test]
fn a_late_payment_keeps_the_attributes_of_the_sale() {
    let with = |event: Event, attributes: &str| Event { attributes: attributes.to_string(), ..event };
    let mut projection = projection(10);
    feed(&mut projection, &[with(event(Kind::Reserved, 'a', 1, "o1", 1, 0), "{\"user\":\"42\",\"region\":\"bj\"}")]);
    let late = event(Kind::Late, 'a', 2, "o1", 1, 1);
    feed(&mut projection, &[with(late.clone(), "{\"user\":\"42\",\"store\":\"7\"}")]);
    assert_eq!(line(&projection, "o1").attributes, "{\"user\":\"42\",\"region\":\"bj\",\"store\":\"7\"}");
    feed(&mut projection, &[with(Event { seq: 3, order: Some("o2".into()), out: 2, ..late }, "{\"user\":\"1\"}")]);
    assert_eq!(line(&projection, "o2").attributes, "{\"user\":\"1\"}");
}

#[test]
fn a_pool_that_nobody_preloaded_is_joined() {
    let mut projection = projection(10);
    projection.positions.clear();
    feed(&mut projection, &first_sale()[2..]);
    assert_eq!((stock_row(&projection), kinds(&projection)), (8, vec!["joined"]));
}

#[test]
fn what_the_shelf_cannot_carry_is_kept_and_reported() {
    let mut projection = projection(2);
    feed(&mut projection, &first_sale()[..3]);
    assert_eq!((stock_row(&projection), projection.positions[POOL].uncovered), (0, 1));
    assert_eq!((kinds(&projection), projection.incidents[0].units), (vec!["uncovered"], 1));
    // A restock covers it first.
    feed(&mut projection, &[event(Kind::Added, 'a', 4, "", 5, -2)]);
    assert_eq!((stock_row(&projection), projection.positions[POOL].uncovered, kinds(&projection).len()), (4, 0, 1));
}

#[test]
fn a_column_that_can_be_negative_carries_everything() {
    let mut projection = Projection { negative: true, ..projection(2) };
    feed(&mut projection, &first_sale()[..3]);
    assert_eq!((stock_row(&projection), projection.positions[POOL].uncovered, kinds(&projection)), (-1, 0, vec![]));
}

#[test]
fn an_unlimited_pool_needs_no_stock_row() {
    let mut projection = projection(0);
    projection.stock_rows.clear();
    let mut events = first_sale();
    events.iter_mut().for_each(|e| e.unlimited = true);
    feed(&mut projection, &events);
    assert_eq!((projection.positions[POOL].uncovered, kinds(&projection)), (0, vec![]));
    assert_eq!(line(&projection, "o1").state, State::Confirmed);
}

/// Two buckets of one row: what the one could not take, the next delivery to the other covers.
#[test]
fn buckets_share_a_row_and_its_debts() {
    let names = ["{b0}x", "{b1}x"].map(str::to_string);
    let mut projection = Projection::default();
    for name in &names {
        projection.positions.insert(name.clone(), Position::default());
        projection.buckets.insert(name.clone(), names.to_vec());
    }
    projection.stock_rows.insert(names[0].clone(), StockRow::new(3, 0));
    let at = |bucket: usize, event: Event| Event { pool: names[bucket].clone(), ..event };
    let numbers = |projection: &Projection| {
        let owed = names.each_ref().map(|name| projection.positions[name].uncovered);
        (projection.stock_rows[&names[0]].quantity, owed)
    };
    feed(&mut projection, &[at(1, event(Kind::Confirmed, 'a', 1, "o1", 5, 5))]);
    assert_eq!((numbers(&projection), kinds(&projection)), ((0, [0, 2]), vec!["uncovered"]));
    feed(&mut projection, &[at(0, event(Kind::Confirmed, 'b', 1, "o2", 1, 1))]);
    assert_eq!(numbers(&projection), (0, [3, 0]));
    feed(&mut projection, &[at(1, event(Kind::Added, 'a', 2, "", 4, 1))]);
    assert_eq!(numbers(&projection), (1, [0, 0]));
    // Whoever had a debt is written, too.
    let mut moved: Vec<_> = projection.moved.iter().cloned().collect();
    moved.sort();
    assert_eq!(moved, names);
}
