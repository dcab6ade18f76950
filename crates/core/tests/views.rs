//! Windows: what they hold, and how their owners are asked to let go. What is seen through them is tested from JavaScript.

use opendiskmap::{Map, Options, Sight, ViewCursor, Window, Windows};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A map with the windows of one handle, as the addon holds them.
struct Viewed {
    map: Map,
    windows: Windows,
    held: HashMap<u32, Rc<Window>>,
    asked: Arc<AtomicUsize>,
    _directory: TempDir,
}

/// Where a value was seen.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Window(u32, usize),
    Copied(Vec<u8>),
    Nothing,
}

impl Viewed {
    fn new() -> Viewed {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { shards: Some(1), ..Options::default() };
        let map = Map::open(directory.path().join("map"), &options).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let ask = move || {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let windows = map.windows(Arc::new(ask)).unwrap();
        Viewed { map, windows, held: HashMap::new(), asked, _directory: directory }
    }

    fn view(&mut self, key: &[u8]) -> Seen {
        let mut copied = Vec::new();
        let sight = self.map.view(key, Some(&mut self.windows), &mut |bytes| copied = bytes.to_vec()).unwrap();
        match sight {
            None => Seen::Nothing,
            Some(Sight::Window { number, len, .. }) => Seen::Window(number, len),
            Some(Sight::Opened { number, window, len, at }) => {
                assert!(at + len <= window.len());
                self.held.insert(number, window);
                Seen::Window(number, len)
            }
            Some(Sight::Shown) => Seen::Copied(copied),
            Some(Sight::Extent(extent)) => {
                extent.append_to(&mut copied).unwrap();
                Seen::Copied(copied)
            }
        }
    }

    fn leave_tail(&self) {
        for byte in [1, 2] {
            self.map.put(b"filler", &vec![byte; 20_000]).unwrap();
        }
    }

    fn compact(&self) {
        self.map.flush().unwrap();
        self.map.compact().unwrap();
    }

    fn wait(&self, what: &str, holds: impl Fn(&Map) -> bool) {
        let began = Instant::now();
        while !holds(&self.map) {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_record_on_the_page_that_is_written_is_copied_and_one_before_it_is_not() {
    let mut viewed = Viewed::new();
    viewed.map.put(b"key", b"value").unwrap();
    assert_eq!(viewed.view(b"key"), Seen::Copied(b"value".to_vec()));
    viewed.leave_tail();
    assert!(matches!(viewed.view(b"key"), Seen::Window(_, 5)));
    assert_eq!(viewed.view(b"absent"), Seen::Nothing);
}

#[test]
fn a_file_has_one_window_as_long_as_that_lives() {
    let mut viewed = Viewed::new();
    viewed.map.put(b"short", b"value").unwrap();
    viewed.map.put(b"long", &vec![7; 300_000]).unwrap();
    viewed.leave_tail();
    let (short, long) = (viewed.view(b"short"), viewed.view(b"long"));
    assert_eq!(long, viewed.view(b"long"));
    assert_eq!(short, viewed.view(b"short"));
    assert_eq!(viewed.held.len(), 2);
    assert_eq!(viewed.map.stats().unwrap().pins, 2);
    viewed.held.clear();
    assert_eq!(viewed.map.stats().unwrap().pins, 0);
    assert!(matches!(viewed.view(b"short"), Seen::Window(..)));
    assert_eq!((viewed.held.len(), viewed.map.stats().unwrap().pins), (1, 1));
}

#[test]
fn what_is_freed_under_a_look_stays_until_the_look_ends_and_its_owner_is_asked() {
    for len in [100, 300_000] {
        let mut viewed = Viewed::new();
        viewed.map.put(b"key", &vec![1; len]).unwrap();
        viewed.leave_tail();
        let Seen::Window(number, _) = viewed.view(b"key") else { panic!("not seen") };
        assert!(!viewed.windows.is_asked());
        for i in 0..50 {
            viewed.map.put(b"key", &vec![i; len]).unwrap();
            viewed.leave_tail();
        }
        viewed.compact();
        viewed.wait("asked", |_| viewed.asked.load(Ordering::Relaxed) > 0);
        assert!(viewed.windows.is_asked());
        assert!(!viewed.windows.is_asked(), "once is enough");
        assert_eq!(viewed.windows.next_idle(0), None, "somebody looks");
        assert!(viewed.windows.look_away(number), "nobody looks, and it is freed");
        assert_eq!(viewed.windows.next_idle(0), Some(number));
        assert_eq!(viewed.windows.next_idle(number + 1), None);
        assert_eq!(viewed.map.stats().unwrap().pins, 0);
        viewed.held.clear();
        assert_eq!(viewed.windows.next_idle(0), None);
        viewed.wait("freed", |map| map.stats().unwrap().pinned_bytes == 0);
    }
}

#[test]
fn a_window_that_was_lost_is_made_again_while_its_file_is_held() {
    let mut viewed = Viewed::new();
    viewed.map.put(b"key", b"value").unwrap();
    viewed.leave_tail();
    let Seen::Window(number, _) = viewed.view(b"key") else { panic!("not seen") };
    let (renewed, window) = viewed.windows.renew(number).expect("the file is there");
    assert_ne!(renewed, number);
    assert_eq!(viewed.map.stats().unwrap().pins, 1, "the look moves on");
    viewed.held.insert(renewed, window);
    viewed.held.remove(&number);
    assert_eq!(viewed.view(b"key"), Seen::Window(renewed, 5));
    assert!(viewed.windows.renew(number).is_none(), "it is gone");
}

#[test]
fn a_thousand_windows_that_came_and_went_leave_nothing_behind() {
    let mut viewed = Viewed::new();
    for round in 0..1000u32 {
        viewed.map.put(b"long", &vec![round as u8; 300_000]).unwrap();
        assert!(matches!(viewed.view(b"long"), Seen::Window(number, 300_000) if number < 200));
        if round % 3 == 0 {
            viewed.held.clear();
        }
        if round % 50 == 0 {
            viewed.compact();
        }
    }
    viewed.held.clear();
    assert_eq!(viewed.map.stats().unwrap().pins, 0);
}

/// A number that is given again must not lead to what it stood for before.
#[test]
fn each_key_is_seen_in_its_own_file_however_many_windows_came_and_went() {
    let mut viewed = Viewed::new();
    let len = |i: u32| if i.is_multiple_of(2) { 262_145 + i as usize } else { 1000 + i as usize };
    for i in 0..400u32 {
        viewed.map.put(&i.to_le_bytes(), &vec![i as u8; len(i)]).unwrap();
    }
    viewed.leave_tail();
    let mut files = HashMap::new();
    let mut state = 1u32;
    for round in 0..4000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let i = (state >> 8) % 400;
        let Seen::Window(number, found) = viewed.view(&i.to_le_bytes()) else { panic!("{i} was not seen") };
        assert_eq!(found, len(i));
        // A long value's file is as long as no other.
        if i.is_multiple_of(2) {
            let window = viewed.held.get(&number).expect("it lives");
            assert_eq!(*files.entry(i).or_insert(window.len()), window.len());
            assert!(window.len() >= len(i) && window.len() < len(i) + 5000, "the window of another file");
        }
        if round % 60 == 0 {
            let gone: Vec<u32> = viewed.held.keys().copied().filter(|number| number % 3 == state % 3).collect();
            gone.iter().for_each(|number| drop(viewed.held.remove(number)));
        }
    }
}

#[test]
fn an_iteration_with_windows_gives_what_one_with_copies_gives() {
    let mut viewed = Viewed::new();
    for i in 0..2000u32 {
        viewed.map.put(&i.to_le_bytes(), &vec![i as u8; (i % 900) as usize]).unwrap();
    }
    viewed.map.put(b"long", &vec![9; 300_000]).unwrap();
    let expected: BTreeMap<Vec<u8>, usize> =
        viewed.map.iter().map(|entry| entry.map(|(key, value)| (key, value.len())).unwrap()).collect();
    for copied in [false, true] {
        let mut found = BTreeMap::new();
        let mut cursor = ViewCursor::default();
        loop {
            let (mut key, mut shown) = (Vec::new(), 0);
            let windows = (!copied).then_some(&mut viewed.windows);
            let sight = cursor
                .next(&viewed.map, windows, &mut |bytes| key = bytes.to_vec(), &mut |bytes| shown = bytes.len())
                .unwrap();
            let len = match sight {
                None => break,
                Some(Sight::Window { len, .. }) => len,
                Some(Sight::Opened { number, window, len, .. }) => {
                    viewed.held.insert(number, window);
                    len
                }
                Some(Sight::Shown) => shown,
                Some(Sight::Extent(extent)) => extent.len(),
            };
            assert_eq!(found.insert(key, len), None);
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn windows_outlive_their_map() {
    let mut viewed = Viewed::new();
    viewed.map.put(b"key", b"value").unwrap();
    viewed.leave_tail();
    assert!(matches!(viewed.view(b"key"), Seen::Window(..)));
    viewed.map.clone().close().unwrap();
    let Viewed { map, windows, held, .. } = viewed;
    map.close().unwrap();
    drop(windows);
    drop(held);
}
