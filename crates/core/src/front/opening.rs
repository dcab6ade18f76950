//! Opening a map under the codecs that its type states.

use super::codec::{KeyCodec, ValueCodec};
use crate::map::{Capacity, Codec, Map, Options, Sharing};
use crate::{Code, Error, Result};
use std::path::Path;

fn codec<C: ValueCodec>() -> Result<Codec> {
    Ok(Codec { name: C::NAME.into(), param: C::param()?.into_owned() })
}

/// The options' own codecs and alignment are not looked at: the type says what they are.
pub(super) fn open<K: KeyCodec, V: ValueCodec>(path: &Path, options: &Options, sharing: Sharing) -> Result<Map> {
    const {
        assert!(V::ALIGN.is_power_of_two() && V::ALIGN <= 16, "values can be aligned to at most 16 bytes");
        assert!(K::ALIGN.is_power_of_two() && K::ALIGN <= 8, "keys can be aligned to at most 8 bytes");
    }
    let options = Options {
        key_codec: Some(codec::<K>()?),
        value_codec: Some(codec::<V>()?),
        value_align: if V::ALIGN > 8 { 16 } else { 8 },
        ..options.clone()
    };
    let map = Map::open_sharing(path, &options, sharing)?;
    if map.value_align() < V::ALIGN {
        return Err(Error::new(
            Code::OptionsMismatch,
            format!(
                "The map was made with values aligned to {} bytes, and its type needs {}. Copy it into a new map.",
                map.value_align(),
                V::ALIGN
            ),
        ));
    }
    Ok(map)
}

/// For `with_capacity`: room for so many entries, and for the bytes of their keys and values.
pub(super) fn with_room(entries: u64, key_bytes: u64, value_bytes: u64) -> Options {
    let capacity = Capacity { entries, bytes: key_bytes.saturating_add(value_bytes) };
    Options { capacity: Some(capacity), ..Options::default() }
}

/// How full a map is.
pub(super) fn load_factor(map: &Map) -> f64 {
    map.len() as f64 / map.capacity().max(1) as f64
}

/// For `load_from`: there has to be a map.
pub(super) fn existing() -> Options {
    Options { create: false, ..Options::default() }
}
