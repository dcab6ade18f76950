//! Opening a map under the codecs that its type states.

use super::codec::{KeyCodec, ValueCodec};
use crate::map::{Codec, Map, Options, Sharing};
use crate::{Code, Error, Result};
use std::path::Path;

fn codec<C: ValueCodec>() -> Codec {
    Codec { name: C::NAME.into(), param: C::PARAM.into() }
}

/// The options' own codecs and alignment are not looked at: the type says what they are.
pub(super) fn open<K: KeyCodec, V: ValueCodec>(path: &Path, options: &Options, sharing: Sharing) -> Result<Map> {
    const {
        assert!(V::ALIGN.is_power_of_two() && V::ALIGN <= 16, "values can be aligned to at most 16 bytes");
        assert!(K::ALIGN.is_power_of_two() && K::ALIGN <= 8, "keys can be aligned to at most 8 bytes");
    }
    let options = Options {
        key_codec: Some(codec::<K>()),
        value_codec: Some(codec::<V>()),
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

/// For `load_from`: there has to be a map.
pub(super) fn existing() -> Options {
    Options { create: false, ..Options::default() }
}
