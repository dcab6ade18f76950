//! An identity is plain data: it finds the open map and no other, and holds nothing open itself.

mod common;

use common::{quiet, scratch};
use opendiskmap::{Code, Codec, Identity, Map, Options};

fn code(identity: &Identity, options: &Options) -> Code {
    Map::attach(identity, options).unwrap_err().code()
}

#[test]
fn every_thread_attaches_to_the_same_map() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(2)).unwrap();
    let identity = map.identity().unwrap();
    std::thread::scope(|scope| {
        for number in 0..4u8 {
            let identity = &identity;
            scope.spawn(move || {
                let attached = Map::attach(identity, &Options::default()).unwrap();
                assert_eq!(attached.identity().unwrap(), *identity);
                attached.put(&[number], b"from a thread").unwrap();
                attached.close().unwrap();
            });
        }
    });
    assert_eq!(map.len(), 4);
    let attached = Map::attach(&identity, &Options::default()).unwrap();
    map.close().unwrap();
    assert_eq!(attached.get(&[3]).unwrap().unwrap(), b"from a thread", "each handle keeps the map open");
}

#[test]
fn an_identity_is_worth_nothing_once_its_map_is_closed() {
    let directory = scratch();
    let path = directory.path().join("map");
    let map = Map::open(&path, &quiet(2)).unwrap();
    let identity = map.identity().unwrap();
    map.end().unwrap();
    assert_eq!(map.identity().unwrap_err().code(), Code::Closed);
    assert_eq!(code(&identity, &Options::default()), Code::Closed);
    let again = Map::open(&path, &quiet(2)).unwrap();
    assert_ne!(again.identity().unwrap(), identity);
    assert_eq!(code(&identity, &Options::default()), Code::Closed, "the directory was opened anew");
    again.close().unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    assert_eq!(code(&identity, &Options::default()), Code::Closed);
    assert!(!path.exists(), "attaching makes nothing");
}

#[test]
fn an_identity_counts_only_as_a_whole() {
    let directory = scratch();
    let map = Map::open(directory.path().join("map"), &quiet(2)).unwrap();
    let other = Map::open(directory.path().join("other"), &quiet(2)).unwrap();
    let (real, others) = (map.identity().unwrap(), other.identity().unwrap());
    let forged = [
        Identity { path: others.path.clone(), ..real.clone() },
        Identity { device: real.device + 1, ..real.clone() },
        Identity { inode: others.inode, ..real.clone() },
        Identity { instance: others.instance, ..real.clone() },
        Identity { instance: 0, ..real.clone() },
    ];
    for identity in forged {
        assert_eq!(code(&identity, &Options::default()), Code::Closed, "{identity:?}");
    }
    Map::attach(&real, &Options::default()).unwrap();
}

#[test]
fn attaching_compares_what_is_stated_and_counts_no_handle_that_it_refused() {
    let directory = scratch();
    let path = directory.path().join("map");
    Map::open(&path, &quiet(2)).unwrap().close().unwrap();
    let reader = Map::open(&path, &Options { read_only: true, ..quiet(2) }).unwrap();
    let identity = reader.identity().unwrap();
    let codec = Options { read_only: true, key_codec: Some(Codec::named("str")), ..Options::default() };
    assert_eq!(code(&identity, &codec), Code::CodecMismatch);
    assert_eq!(code(&identity, &Options::default()), Code::Locked);
    let attached = Map::attach(&identity, &Options { read_only: true, ..Options::default() }).unwrap();
    assert_eq!(attached.put(b"key", b"value").unwrap_err().code(), Code::ReadOnly);
    attached.close().unwrap();
    reader.close().unwrap();
    Map::open(&path, &quiet(2)).unwrap();
}
