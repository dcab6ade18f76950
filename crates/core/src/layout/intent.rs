//! Intents: what an operation will have changed once it is done, as absolute values, so that a fix-up can store them
//! however far the operation came.

/// An intent is 16 words; the first names the operation, is stored last and cleared first.
pub(crate) const WORDS: usize = 16;
pub(crate) const LEN: usize = WORDS * 8;

pub(crate) type Words = [u64; WORDS];

/// The first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    None,
    Put,
    Delete,
    /// Compaction copies a put forward.
    Move,
    /// Compaction copies a tombstone or clear forward: no slot changes.
    MoveMark,
    /// A new segment joins the chain.
    Segment,
    /// A table is replaced by one or two.
    Table,
    Clear,
    /// The whole index is replaced by a smaller one.
    Index,
}

impl Operation {
    pub const fn word(self) -> u64 {
        match self {
            Operation::None => 0,
            Operation::Put => 1,
            Operation::Delete => 2,
            Operation::Move => 3,
            Operation::MoveMark => 4,
            Operation::Segment => 5,
            Operation::Table => 6,
            Operation::Clear => 7,
            Operation::Index => 8,
        }
    }

    pub const fn from_word(word: u64) -> Option<Operation> {
        Some(match word {
            0 => Operation::None,
            1 => Operation::Put,
            2 => Operation::Delete,
            3 => Operation::Move,
            4 => Operation::MoveMark,
            5 => Operation::Segment,
            6 => Operation::Table,
            7 => Operation::Clear,
            8 => Operation::Index,
            _ => return None,
        })
    }
}

macro_rules! intent {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name { $($(#[$field_doc])* pub $field: u64,)* }

        impl $name {
            pub fn encode(&self, operation: Operation) -> Words {
                let mut words = [0; WORDS];
                let fields = [operation.word(), $(self.$field,)*];
                words[..fields.len()].copy_from_slice(&fields);
                words
            }

            pub fn decode(words: &Words) -> Self {
                let mut rest = words[1..].iter().copied();
                $name { $($field: rest.next().expect("an intent has at most 15 fields"),)* }
            }
        }
    };
}

intent! {
    /// Put, delete and both kinds of move: one record is appended and at most one slot changes.
    RecordIntent {
        record,
        length,
        /// Table reference and slot number; see `slot_word`.
        slot,
        tag,
        /// What the slot held before.
        old_tag,
        old_record,
        entries,
        seq,
        live,
        tail,
        used_live,
        /// Live bytes, and bytes of tombstones and clears, of the segment that the record goes to.
        new_segment_live,
        new_segment_marks,
        /// Live bytes of the segment that the old record is in.
        old_segment_live,
        extents,
    }
}

intent! {
    SegmentIntent {
        index,
        id,
        size,
        /// The tail that is sealed with a pad; 0 where there is none, or where a rebuild leaves its end as it is.
        old_tail,
        /// The id of the segment before it; 0 for the first of a shard.
        predecessor,
        tail,
    }
}

intent! {
    TableIntent {
        old,
        first,
        /// 0 when the table is rewritten and not split.
        second,
        root,
        allocate,
        free_head,
        /// The free queue's last table before `old` joins it.
        free_last,
        free_count,
        tables,
    }
}

intent! {
    ClearIntent {
        record,
        length,
        table,
        root,
        seq,
        /// Bytes of tombstones and clears of the segment that the record goes to.
        marks,
        tail,
        allocate,
    }
}

intent! {
    IndexIntent {
        root,
        small_directory,
        first_index,
        allocate,
        tables,
    }
}

const SLOT_BITS: u32 = 11;

/// A slot's place in one word.
pub(crate) const fn slot_word(table: u64, slot: usize) -> u64 {
    table << SLOT_BITS | slot as u64
}

/// The table reference's word and the slot's number.
pub(crate) const fn slot_place(word: u64) -> (u64, usize) {
    (word >> SLOT_BITS, (word & ((1 << SLOT_BITS) - 1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_survives_its_words() {
        let intent = RecordIntent { record: 1, length: 2, extents: 15, ..RecordIntent::default() };
        let words = intent.encode(Operation::Move);
        assert_eq!(words[0], Operation::Move.word());
        assert_eq!(RecordIntent::decode(&words), intent);
        for word in 0..9 {
            assert_eq!(Operation::from_word(word).unwrap().word(), word);
        }
        assert_eq!(Operation::from_word(9), None);
    }

    #[test]
    fn a_slots_place_fits_a_word() {
        assert_eq!(slot_place(slot_word((1 << 40) + 1, 1274)), ((1 << 40) + 1, 1274));
    }
}
