//! Histories of several threads on a few keys, each explained by an order of its calls: the condition of Herlihy and Wing
//! (TOPLAS 1990), which holds if it holds for each key; the search of Wing and Gong (JPDC 1993), with the memory of Lowe
//! (Concurrency and Computation 2017).

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use common::{key, scratch, served, together, value, version};
use opendiskmap::Map;
use parking_lot::Mutex;

/// Versions tell values apart: no two calls write the same one.
type State = Option<usize>;

#[derive(Clone, Copy, Debug)]
enum Verb {
    Get { found: State },
    Contains { there: bool },
    Put { version: usize, new: bool },
    Remove { there: bool },
    Swap { expected: State, next: State, done: bool },
}

#[derive(Clone, Copy, Debug)]
struct Call {
    key: usize,
    invoked: u64,
    returned: u64,
    verb: Verb,
}

/// The key's state after a call, if the call can have answered what it did.
fn step(state: State, verb: Verb) -> Option<State> {
    match verb {
        Verb::Get { found } => (found == state).then_some(state),
        Verb::Contains { there } => (there == state.is_some()).then_some(state),
        Verb::Put { version, new } => (new == state.is_none()).then_some(Some(version)),
        Verb::Remove { there } => (there == state.is_some()).then_some(None),
        Verb::Swap { expected, next, done } => (done == (expected == state)).then_some(if done { next } else { state }),
    }
}

/// Whether the calls that are not in the set `done` have an order that explains them; no pair of set and state twice.
fn explains(calls: &[Call], done: u64, state: State, tried: &mut HashSet<(u64, State)>) -> bool {
    let left = || (0..calls.len()).filter(|call| done & 1 << call == 0);
    // Who was invoked after another had returned cannot come before it.
    let Some(first_return) = left().map(|call| calls[call].returned).min() else { return true };
    left().filter(|&call| calls[call].invoked <= first_return).any(|call| {
        step(state, calls[call].verb).is_some_and(|next| {
            let done = done | 1 << call;
            tried.insert((done, next)) && explains(calls, done, next, tried)
        })
    })
}

fn linearizable(calls: &[Call], initial: State) -> bool {
    assert!(calls.len() <= 64, "a set of calls has 64 bits");
    explains(calls, 0, initial, &mut HashSet::new())
}

/// Whether a call that may change the key overlapped another one.
fn overlaps(calls: &[Call]) -> bool {
    let reads = |call: &Call| matches!(call.verb, Verb::Get { .. } | Verb::Contains { .. });
    calls.iter().enumerate().any(|(number, one)| {
        calls[number + 1..]
            .iter()
            .any(|other| one.invoked < other.returned && other.invoked < one.returned && !(reads(one) && reads(other)))
    })
}

const THREADS: usize = 3;
const KEYS: usize = 16;
const CALLS: usize = 6;

/// Where the threads meet, until one of them ends it all.
#[derive(Default)]
struct Gate {
    arrived: AtomicUsize,
    ended: AtomicBool,
    /// The last round in which a thread stood in the middle of a call, and the calls that the others had made by then.
    held: AtomicUsize,
    made: AtomicUsize,
}

impl Gate {
    /// `false`: it is over.
    fn meet(&self) -> bool {
        let phase = self.arrived.fetch_add(1, Ordering::SeqCst) / THREADS;
        self.wait(|| self.arrived.load(Ordering::SeqCst) / THREADS != phase)
    }

    /// For a thread in the middle of a call: lets the others make so many meanwhile.
    fn hold(&self, round: usize, calls: usize) {
        self.made.store(0, Ordering::SeqCst);
        self.held.store(round, Ordering::SeqCst);
        self.wait(|| self.made.load(Ordering::SeqCst) >= calls);
    }

    fn wait(&self, reached: impl Fn() -> bool) -> bool {
        while !reached() && !self.ended.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        !self.ended.load(Ordering::SeqCst)
    }
}

/// Ends it also when a test fails.
struct Ends<'a>(&'a Gate);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }
}

/// Mostly short, now and then in a file of its own.
fn bytes_of(key: &[u8], version: usize) -> Vec<u8> {
    let length = if version.is_multiple_of(700) { 270_000 } else { 30 + version % 900 };
    value(key, version, length)
}

type Swap = fn(&Map, &[u8], Option<u64>, Option<&[u8]>) -> bool;

/// One thread's calls, with what they do them with.
struct Caller<'a> {
    map: &'a Map,
    swap: Swap,
    began: Instant,
    me: usize,
    made: usize,
    random: u64,
}

impl Caller<'_> {
    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.random >> 33) as usize % limit
    }

    fn version(&mut self) -> usize {
        self.made += 1;
        self.made * THREADS + self.me
    }

    fn timed(&self, key: usize, call: impl FnOnce() -> Verb) -> Call {
        let now = || self.began.elapsed().as_nanos() as u64;
        let invoked = now();
        let verb = call();
        Call { key, invoked, returned: now(), verb }
    }

    fn get(&self, number: usize) -> Call {
        let key = key(number);
        self.timed(number, || Verb::Get { found: self.map.get(&key).unwrap().map(|bytes| version(&key, &bytes)) })
    }

    fn call(&mut self, number: usize) -> Call {
        let (version, kind) = (self.version(), self.below(12));
        let (map, swap, key) = (self.map, self.swap, key(number));
        let bytes = bytes_of(&key, version);
        match kind {
            0..3 => self.get(number),
            3 => self.timed(number, || Verb::Contains { there: map.contains_key(&key).unwrap() }),
            4..6 => self.timed(number, || Verb::Put { version, new: map.put(&key, &bytes).unwrap() }),
            6 => self.timed(number, || Verb::Remove { there: map.remove(&key).unwrap() }),
            // A sequence number stands for the value that was read with it.
            _ => {
                let mut old = Vec::new();
                let seq = map.read_into(&key, &mut old).unwrap();
                let expected = seq.map(|_| common::version(&key, &old));
                let next = (kind > 7).then_some(version);
                self.timed(number, || {
                    let next_bytes = next.map(|_| &bytes[..]);
                    let done = match kind {
                        7..10 => swap(map, &key, seq, next_bytes),
                        _ => map.compare_and_set(&key, seq.map(|_| &old[..]), next_bytes).unwrap(),
                    };
                    Verb::Swap { expected, next, done }
                })
            }
        }
    }

    /// Reads, lets the others make calls, and swaps what it read: one change, somewhere between its ends. It overlaps the
    /// others' calls also where all threads share a processor.
    fn held_swap(&mut self, number: usize, pause: impl FnOnce()) -> Call {
        let (version, key) = (self.version(), key(number));
        let bytes = bytes_of(&key, version);
        self.timed(number, || {
            let mut old = Vec::new();
            let seq = self.map.read_into(&key, &mut old).unwrap();
            pause();
            let expected = seq.map(|_| common::version(&key, &old));
            Verb::Swap { expected, next: Some(version), done: (self.swap)(self.map, &key, seq, Some(&bytes)) }
        })
    }

    /// Tables are rewritten and compaction has something to do.
    fn disturb(&mut self) {
        let own = |number: usize| key(KEYS + THREADS * number + self.me);
        let (fresh, old) = (own(100 + self.made % 5000), own(100 + self.made.saturating_sub(1500) % 5000));
        let stock = own(self.made % 100);
        self.map.put(&fresh, &bytes_of(&fresh, 1)).unwrap();
        self.map.put(&stock, &bytes_of(&stock, 2)).unwrap();
        self.map.remove(&old).unwrap();
    }
}

/// Runs rounds until so many had calls that overlapped. The first history that no order explains is the error.
fn rounds(wanted: usize, swap: Swap) -> Result<(), Vec<Call>> {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &served(1)).unwrap();
    let gate = Gate::default();
    let calls = Mutex::new(Vec::new());
    let began = Instant::now();
    let caller = |me| Caller { map: &map, swap, began, me, made: 0, random: me as u64 };
    let round_of = |caller: &mut Caller, round: usize| {
        let holds = round % 4 == 1;
        let holder = holds && round / 4 % THREADS == caller.me;
        if holds && !holder {
            gate.wait(|| gate.held.load(Ordering::SeqCst) == round);
        }
        let made: Vec<Call> = (0..CALLS)
            .map(|turn| {
                let number = (round * 5 + caller.below(1 + round % 3)) % KEYS;
                let call = if holder && turn == 0 {
                    let calls = 1 + caller.below((THREADS - 1) * CALLS);
                    caller.held_swap(number, || gate.hold(round, calls))
                } else {
                    caller.call(number)
                };
                if holds && !holder {
                    gate.made.fetch_add(1, Ordering::SeqCst);
                }
                if caller.below(3) == 0 {
                    caller.disturb();
                }
                call
            })
            .collect();
        calls.lock().extend(made);
    };
    together(|scope| {
        for me in 1..THREADS {
            let (gate, round_of, caller) = (&gate, &round_of, &caller);
            scope.spawn(move || {
                let _ends = Ends(gate);
                let mut caller = caller(me);
                for round in 0.. {
                    if !gate.meet() {
                        break;
                    }
                    round_of(&mut caller, round);
                    gate.meet();
                }
            });
        }
        let _ends = Ends(&gate);
        let mut caller = caller(0);
        let mut states = HashMap::new();
        let mut overlapping = 0;
        for round in 0.. {
            assert!(round < 20 * wanted, "of {round} rounds only {overlapping} had calls that overlap");
            assert!(gate.meet(), "another thread failed");
            round_of(&mut caller, round);
            assert!(gate.meet(), "another thread failed");
            let mut histories: HashMap<usize, Vec<Call>> = HashMap::new();
            for call in calls.lock().drain(..) {
                histories.entry(call.key).or_default().push(call);
            }
            overlapping += usize::from(histories.values().any(|history| overlaps(history)));
            for (number, mut history) in histories {
                // What is there in the end belongs to the history, and is what the key's next one begins with.
                let last = caller.get(number);
                history.push(last);
                let initial = states.get(&number).copied().flatten();
                if !linearizable(&history, initial) {
                    history.sort_by_key(|call| call.invoked);
                    return Err(history);
                }
                if let Verb::Get { found } = last.verb {
                    states.insert(number, found);
                }
            }
            if overlapping == wanted {
                return Ok(());
            }
        }
        unreachable!("the rounds do not end by themselves")
    })
}

#[test]
fn every_history_of_several_threads_is_explained_by_an_order_of_its_calls() {
    let swap: Swap = |map, key, seq, next| map.swap(key, seq, next).unwrap();
    if let Err(history) = rounds(5000, swap) {
        panic!("no order explains {history:#?}");
    }
}

#[test]
#[ignore = "minutes"]
fn every_history_of_very_many_rounds_is_explained() {
    let swap: Swap = |map, key, seq, next| map.swap(key, seq, next).unwrap();
    if let Err(history) = rounds(200_000, swap) {
        panic!("no order explains {history:#?}");
    }
}

#[test]
fn a_swap_that_compares_and_then_puts_is_noticed() {
    let swap: Swap = |map, key, seq, next| {
        if map.read_into(key, &mut Vec::new()).unwrap() != seq {
            return false;
        }
        match next {
            Some(bytes) => drop(map.put(key, bytes).unwrap()),
            None => drop(map.remove(key).unwrap()),
        }
        true
    };
    assert!(rounds(20_000, swap).is_err());
}

#[test]
fn the_check_tells_explained_histories_from_others() {
    let call = |invoked, returned, verb| Call { key: 0, invoked, returned, verb };
    let put = |version, new| Verb::Put { version, new };
    let get = |found| Verb::Get { found };
    let swap = |expected, next, done| Verb::Swap { expected, next, done };
    let accepted = [
        vec![call(0, 9, put(1, true)), call(1, 8, get(None))],
        vec![call(0, 9, put(1, true)), call(1, 8, put(2, false)), call(10, 11, get(Some(2)))],
        vec![call(0, 9, put(1, false)), call(1, 8, put(2, true)), call(10, 11, get(Some(1)))],
        vec![call(0, 9, swap(Some(2), None, true)), call(1, 8, swap(None, Some(2), true))],
    ];
    let rejected = [
        vec![call(0, 1, put(1, true)), call(2, 3, put(2, false)), call(4, 5, get(Some(1)))],
        vec![call(0, 9, put(1, true)), call(1, 8, put(2, true))],
        vec![call(0, 9, swap(None, Some(1), true)), call(1, 8, swap(None, Some(2), true))],
        vec![call(0, 9, put(1, true)), call(1, 8, get(Some(3)))],
        vec![
            call(0, 1, put(1, true)),
            call(2, 3, Verb::Remove { there: true }),
            call(4, 5, Verb::Contains { there: false }),
            call(6, 7, get(Some(1))),
        ],
    ];
    for history in accepted {
        assert!(linearizable(&history, None), "{history:#?}");
    }
    for history in rejected {
        assert!(!linearizable(&history, None), "{history:#?}");
    }
}
