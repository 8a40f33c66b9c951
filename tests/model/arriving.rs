//! Pools that arrive in pieces: what is there between two pieces is a value like any other, which
//! is saved, copied and replicated.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis_stock::command::host::Origin;
use redis_stock::command::journal::{Unread, Unreadable};
use redis_stock::command::spec::{Access, KeyPositions};
use redis_stock::command::TABLE;
use redis_stock::core::codec::{save_partial, Loader, VERSION};
use redis_stock::core::stored_pool::StoredPool;

use testkit::host::Host;
use testkit::payload::{damage, parse, scramble, write};
use testkit::reply::Reply;
use testkit::targets;

const NOW_MS: i64 = 1_767_268_800_000;

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn load(host: &mut Host, origin: Origin, piece: &[&[u8]]) -> Reply {
    let argv = [&words("STOCK.LOAD k")[..], &piece.iter().map(|part| part.to_vec()).collect::<Vec<_>>()].concat();
    host.call(NOW_MS, origin, &argv).0
}

fn saved(loader: &Loader) -> Vec<u8> {
    let mut bytes = Vec::new();
    save_partial(loader, &mut |chunk| bytes.extend_from_slice(chunk));
    bytes
}

/// An encoded pool, cut behind each of its records: (what has come, what is to come).
fn cuts(pool: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let records = parse(pool).expect("a pool is understood");
    (1..=records.len()).map(|at| (write(&records[..at]), write(&records[at..]))).collect()
}

/// Pools with something of everything, small ones.
fn corpus() -> Vec<Vec<u8>> {
    let mut pools: Vec<Vec<u8>> = targets::pools(1..8).into_iter().filter(|pool| pool.len() < 6_000).collect();
    pools.extend(targets::shop().state().into_values().map(|chunks| chunks.concat()));
    assert!(pools.len() > 10);
    pools
}

fn of(origin: Origin, pieces: &[&[u8]]) -> Host {
    let mut host = Host::new(1);
    host.tolerant = true;
    for piece in pieces {
        load(&mut host, origin, &[b"MORE", piece]);
    }
    host
}

#[test]
fn what_has_arrived_is_saved_as_it_came_and_goes_on_from_there() {
    for pool in corpus() {
        for (come, to_come) in cuts(&pool) {
            let mut loader = Loader::new();
            loader.feed(&come).expect("the first part");
            assert_eq!(saved(&loader), come);
            let mut copies = [loader.clone(), Loader::new(), loader.copy()];
            copies[1].feed(&come).expect("what was saved is read");
            for mut copy in copies {
                copy.feed(&to_come).expect("what is to come fits");
                let whole = saved(&copy);
                let pool_again = copy.finish().expect("it is whole");
                let mut bytes = Vec::new();
                StoredPool::Complete(pool_again).save(&mut |chunk| bytes.extend_from_slice(chunk));
                assert_eq!(bytes, whole, "nothing is lost on the way");
                if loader.copy().finish().is_err() {
                    continue;
                }
                assert!(to_come.is_empty(), "only the end record makes it whole");
            }
            let mut straight = loader;
            straight.feed(&to_come).expect("what is to come fits");
            assert_eq!(saved(&straight), pool);
        }
    }
}

/// A copy that is taken between two pieces, whichever, ends where its source does.
#[test]
fn a_copy_of_the_data_set_between_two_pieces_goes_on() {
    for pool in corpus() {
        for (come, to_come) in cuts(&pool).into_iter().filter(|(_, to_come)| !to_come.is_empty()) {
            let mut host = of(Origin::SlotImport, &[&come]);
            let (mut copy, mut restarted) = (host.twin(), host.twin());
            restarted.reload();
            assert_eq!(restarted.state(), host.state());
            for host in [&mut host, &mut copy, &mut restarted] {
                assert_eq!(load(host, Origin::Replication, &[b"MORE", &to_come]), Reply::Status("OK".into()));
                assert_eq!(load(host, Origin::Replication, &[b"END"]), Reply::Status("OK".into()));
                assert_eq!(host.divergences(), 0);
                assert_eq!(host.state().remove(b"k".as_slice()).map(|chunks| chunks.concat()), Some(pool.clone()));
                assert_eq!(host.verify(), Vec::<String>::new());
            }
        }
    }
}

/// A part of a pool with something of everything: before its end record.
fn part() -> (Vec<u8>, Vec<u8>) {
    let shop = targets::shop().state().remove(b"k".as_slice()).expect("the shop has a pool").concat();
    let mut cuts = cuts(&shop);
    let middle = cuts.len() / 2;
    cuts.swap_remove(middle)
}

#[test]
fn a_first_piece_replaces_what_was_under_way() {
    let (come, to_come) = part();
    for stale in corpus() {
        for (stale, _) in cuts(&stale) {
            let mut host = of(Origin::SlotImport, &[&stale]);
            for piece in [&come, &to_come] {
                assert_eq!(load(&mut host, Origin::SlotImport, &[b"MORE", piece]), Reply::Status("OK".into()));
                assert_eq!(host.divergences(), 0);
            }
            assert_eq!(load(&mut host, Origin::SlotImport, &[b"END"]), Reply::Status("OK".into()));
            let state = host.state().remove(b"k".as_slice()).map(|chunks| chunks.concat());
            assert_eq!(state, Some([come.clone(), to_come.clone()].concat()));
        }
    }
}

/// An import is told of it, so that the move is called off. In a log, and on a replica, it is what
/// could not be read, by which the shell ends the server. Both hold the same afterwards.
#[test]
fn a_piece_that_does_not_fit() {
    let (come, to_come) = part();
    let begun: &[&[u8]] = &[&come];
    let mut broken = come.clone();
    broken.truncate(come.len() - 1);
    let more = |piece: &[u8]| vec![b"MORE".to_vec(), piece.to_vec()];
    for (before, piece, stays) in [
        (begun, vec![b"END".to_vec()], false),
        (begun, more(b"\x0b\x01"), false),
        (begun, more(b""), true),
        (begun, more(&broken), false),
        (&[], vec![b"END".to_vec()], false),
        (&[], more(&to_come), false),
        (&[], more(b""), false),
        (&[], more(&broken), false),
    ] {
        let (mut import, mut log) = (of(Origin::SlotImport, before), of(Origin::Replication, before));
        assert_eq!(import.state(), log.state());
        let piece: Vec<&[u8]> = piece.iter().map(Vec::as_slice).collect();
        let answers = (load(&mut import, Origin::SlotImport, &piece), load(&mut log, Origin::Replication, &piece));
        assert_eq!(matches!(answers.0, Reply::Error(_)), !stays, "{piece:?}: {answers:?}");
        assert_eq!(answers.1, Reply::Status("OK".into()));
        assert_eq!((import.divergences(), log.divergences()), (u64::from(!stays), u64::from(!stays)));
        for host in [&import, &log] {
            assert_eq!(matches!(host.unread(), Some(Unread::Piece(Unreadable::Damage(_)))), !stays, "{piece:?}");
        }
        assert_eq!(!log.state().is_empty(), stays, "{piece:?}");
        // The key of an import is there for the server to delete, and for nothing else.
        assert_eq!(import.state().len(), before.len());
        assert_eq!(import.state().values().all(Vec::is_empty), !stays, "{piece:?}");
        for mut host in [import, log] {
            host.reload();
            if !stays {
                for useless in [&[b"MORE".as_slice(), &to_come][..], &[b"END"]] {
                    load(&mut host, Origin::Replication, useless);
                    assert_eq!((host.divergences(), host.state().len()), (1, 0));
                }
            }
            // It can begin anew.
            load(&mut host, Origin::Replication, &[b"MORE", &[come.clone(), to_come.clone()].concat()]);
            load(&mut host, Origin::Replication, &[b"END"]);
            assert_eq!(host.state(), targets::shop().state());
        }
    }
}

#[test]
fn a_pool_that_is_there() {
    let (come, to_come) = part();
    let shop = targets::shop();
    for piece in [&[b"MORE".as_slice(), &to_come][..], &[b"END"], &[b"MORE", b"\x01"]] {
        let mut host = shop.twin();
        load(&mut host, Origin::Replication, piece);
        assert_eq!((host.divergences(), host.state()), (1, shop.state()), "it belongs to nothing, and changes nothing");
        assert!(matches!(host.unread(), Some(Unread::Piece(Unreadable::Damage(_)))));
    }
    let mut host = shop.twin();
    assert_eq!(load(&mut host, Origin::Replication, &[b"MORE", &come]), Reply::Status("OK".into()));
    assert_eq!((host.divergences(), host.unread()), (1, None), "the source had no such pool");
    assert!(host.find(b"k").is_none(), "a first piece begins anew");
}

/// Pieces say their encoding. Those of older builds say none, and are read; of a newer one nothing
/// is, nor what has another form.
#[test]
fn a_piece_of_a_newer_module() {
    let (come, to_come) = part();
    let newer = (VERSION + 1).to_string();
    let version = |n: i32| Some(Unread::Piece(Unreadable::Version(n)));
    let form = Some(Unread::Piece(Unreadable::FORM));
    for (words, unread) in [
        (&["VERSION", "1"][..], None),
        (&["VERSION", "2"], None),
        (&["version", "2"], None),
        (&["VERSION", &newer], version(VERSION + 1)),
        (&["VERSION", "2147483647", "AND", "MORE"], version(i32::MAX)),
        (&["VERSION", "2147483648"], form),
        (&["VERSION", "0"], form),
        (&["VERSION", "x"], form),
        (&["VERSION"], form),
        (&["VERSION", "2", "MORE"], form),
        (&["END"], form),
        (&["XYZZY"], form),
    ] {
        for origin in [Origin::Replication, Origin::SlotImport] {
            let mut host = of(origin, &[&come]);
            let piece = [&[b"MORE".as_slice(), &to_come][..], &words.iter().map(|w| w.as_bytes()).collect::<Vec<_>>()];
            let answer = load(&mut host, origin, &piece.concat());
            assert_eq!((host.unread(), host.divergences()), (unread, u64::from(unread.is_some())), "{words:?}");
            let refused = origin == Origin::SlotImport && unread.is_some();
            assert_eq!(matches!(answer, Reply::Error(_)), refused, "{words:?}: {answer:?}");
            // What was under way is not gone on with.
            assert_eq!(load(&mut host, origin, &[b"END"]) == Reply::Status("OK".into()), !refused);
            assert_eq!(host.find(b"k").is_some(), unread.is_none());
        }
    }
    for argv in ["STOCK.LOAD k XYZZY", "STOCK.LOAD k END END", "STOCK.LOAD k MORE"] {
        let mut host = of(Origin::Replication, &[&come]);
        host.call(NOW_MS, Origin::Replication, &words(argv));
        assert_eq!((host.unread(), host.divergences()), (form, 1), "{argv}");
    }
    let mut host = of(Origin::Replication, &[]);
    assert!(matches!(host.call(NOW_MS, Origin::Replication, &words("STOCK.MEFFECT k e j")).0, Reply::Error(_)));
    assert_eq!(host.unread(), Some(Unread::Effect(Unreadable::FORM)));
}

/// Whoever asks for a pool that is not whole may ask again.
#[test]
fn clients_are_told_to_try_again() {
    let (come, _) = part();
    let lines = [
        "RESERVE k o 1",
        "RESERVEBATCH k ORDERS 1 o 1",
        "CONFIRMBATCH k ORDERS 1 o",
        "CONFIRM k o",
        "RELEASE k o",
        "AMEND k o 2",
        "EXTEND k o EX 5",
        "SPLIT k o p 1",
        "RETURN k o",
        "MRESERVE o 1 k QTY 1",
        "MCONFIRM o 1 k",
        "MRELEASE o 1 k",
        "MEXTEND o 1 k EX 5",
        "MSPLIT o p 1 k QTY 1",
        "MRETURN o 1 k",
        "SET k 5",
        "ADD k 5",
        "RECONCILE k 5",
        "SUSPEND k",
        "RESUME k",
        "SETPOLICY k {}",
        "SCHEDULE k UNTIL 5",
        "SWEEP k",
        "TRANSFER k j 1 TOKEN t",
        "SHIFT k TO j 1",
        "SHIFTS k",
        "LIMIT k user 5",
        "UNLIMIT k user",
        "LIMITS k",
        "USAGE k FOR user u",
        "GET k",
        "AVAILABLE k",
        "CHECK k 1",
        "EXPLAIN k",
        "STATS k",
        "ORDER k o",
        "ORDERS k 0",
        "POLICY k",
        "VERIFY k",
    ];
    let tried: Vec<String> =
        lines.iter().map(|line| format!("STOCK.{}", line.split(' ').next().expect("a name"))).collect();
    for spec in TABLE.iter().filter(|spec| spec.access != Access::Replicated && spec.keys != KeyPositions::None) {
        assert!(tried.iter().any(|name| name == spec.name), "{} is not tried", spec.name);
    }
    let mut host = of(Origin::SlotImport, &[&come]);
    let before = host.state();
    for line in lines {
        let (answer, effects) = host.call(NOW_MS, Origin::Client, &words(&format!("STOCK.{line}")));
        assert_eq!(answer, Reply::Error("TRYAGAIN the pool is still loading".into()), "{line}");
        assert!(effects.is_empty());
    }
    for piece in [&[b"MORE".as_slice(), b"\x01"][..], &[b"END"]] {
        assert!(matches!(load(&mut host, Origin::Client, piece), Reply::Error(text) if text.starts_with("ERR")));
    }
    assert_eq!(host.state(), before);
}

#[test]
fn an_effect_on_it_does_not_fit() {
    let (come, _) = part();
    let mut host = of(Origin::SlotImport, &[&come]);
    let before = host.state();
    for effect in targets::effects(1).into_iter().take(50) {
        let argv = [&words("STOCK.EFFECT k")[..], &[effect]].concat();
        let answer = host.call(NOW_MS, Origin::Replication, &argv).0;
        assert_eq!((answer, host.divergences()), (Reply::Status("OK".into()), 1));
        assert_eq!(host.state(), before);
    }
}

/// The source of a slot may have a newer module. What this one cannot read it does not take: with
/// an error the server cancels the migration, where OK would let the source delete the slot. From a
/// log it is counted, and said.
#[test]
fn a_slot_with_changes_that_cannot_be_read_stays_where_it_is() {
    let set = |host: &mut Host| host.call(NOW_MS, Origin::Client, &words("STOCK.SET k 10")).1;
    let (mut source, mut import) = (Host::new(1), Host::new(2));
    import.tolerant = true;
    let made = set(&mut source).remove(0);
    assert_eq!(import.call(NOW_MS, Origin::SlotImport, &made).0, Reply::Status("OK".into()));
    let mut log = import.twin();
    let reserved = source.call(NOW_MS, Origin::Client, &words("STOCK.RESERVE k a 2 EX 60")).1.remove(0);
    let (mut newer, mut unknown) = (reserved.clone(), reserved.clone());
    newer[2][0] += 1;
    // A whole change, and one of a kind that is not known.
    unknown[2].push(0x7f);
    let refused = Reply::Error("ERR effect cannot be read: a newer module wrote it, or it is damaged".into());
    for (argv, held) in [(&newer, 0), (&unknown, 2)] {
        let (mut import, mut log) = (import.twin(), log.twin());
        assert_eq!(import.call(NOW_MS, Origin::SlotImport, argv), (refused.clone(), Vec::new()));
        assert!(import.changes().is_empty(), "nothing of it is replicated");
        assert_eq!(log.call(NOW_MS, Origin::Replication, argv).0, Reply::Status("OK".into()));
        assert_eq!((import.divergences(), log.divergences(), log.pool(b"k").reserved()), (1, 1, held));
    }
    assert_eq!(import.call(NOW_MS, Origin::SlotImport, &reserved).0, Reply::Status("OK".into()));
    assert_eq!(log.call(NOW_MS, Origin::Replication, &reserved).0, Reply::Status("OK".into()));
    assert_eq!((import.state(), import.divergences()), (source.state(), 0));
}

/// RESTORE takes what has arrived from anybody: it is refused, or it is saved as it is read and
/// does no harm.
#[test]
fn damaged_parts_are_refused_or_harmless() {
    let corpus = corpus();
    let mut rng = SmallRng::seed_from_u64(7);
    let mut accepted = 0;
    for at in 0..6_000 {
        let pool = &corpus[at % corpus.len()];
        let mut records = parse(pool).expect("a pool is understood");
        let others = parse(&corpus[rng.random_range(0..corpus.len())]).expect("a pool is understood");
        let (come, to_come) = records.split_at(rng.random_range(1..=records.len()));
        let to_come = write(to_come);
        records = come.to_vec();
        damage(&mut records, &others, &mut rng);
        let mut bytes = write(&records);
        if at % 3 == 0 {
            scramble(&mut bytes, &mut rng);
        }
        accepted += u32::from(targets::arriving(&bytes, &to_come));
    }
    assert!(accepted > 300, "{accepted} of 6,000: the damage is too coarse to get anywhere");
}
