//! `docs/format.md` against the code: every table and every example, in both directions.

use super::checkpoint::tests::sample;
use super::checkpoint::{self, CHECKPOINT_MAGIC, Checkpoint, ShardState};
use super::directory::{self, Root};
use super::extent::{self, Descriptor};
use super::file::{self, Header, Kind};
use super::hash::Keys;
use super::intent::{
    self, ClearIntent, IndexIntent, Operation, RecordIntent, SegmentIntent, TableIntent, slot_place, slot_word,
};
use super::record::{self, Type};
use super::segment::{self, RecordRef, SegmentId, State};
use super::table::{self, TableRef, Tag};
use super::{head, names};
use crate::sys::FileId;

const DOC: &str = include_str!("../../../../docs/format.md");
const KEYS: Keys = Keys { hash: *b"0123456789abcdef", sum: 7 };

/// The cells of the `nth` table behind a heading (or any other line that stands once), without its head.
fn rows(behind: &str, nth: usize) -> Vec<Vec<String>> {
    let mut lines = DOC.lines().skip_while(|line| !line.starts_with(behind)).skip(1).peekable();
    for skipped in 0.. {
        while lines.next_if(|line| !line.starts_with('|')).is_some() {}
        let table: Vec<&str> = std::iter::from_fn(|| lines.next_if(|line| line.starts_with('|'))).collect();
        assert!(!table.is_empty(), "no table {nth} behind '{behind}'");
        if skipped == nth {
            let cells = |line: &&str| {
                line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
            };
            return table[2..].iter().map(cells).collect();
        }
    }
    unreachable!()
}

fn columns<const N: usize>(behind: &str, nth: usize) -> Vec<[String; N]> {
    rows(behind, nth).into_iter().map(|row| row[..N].to_vec().try_into().unwrap()).collect()
}

/// Compares a table of offset, length and field with the code's.
fn fields(behind: &str, nth: usize, code: &[(usize, usize, &str)]) {
    let doc = columns::<3>(behind, nth);
    let code: Vec<[String; 3]> =
        code.iter().map(|&(at, len, name)| [at.to_string(), len.to_string(), name.to_owned()]).collect();
    assert_eq!(doc, code, "{behind}");
}

/// Compares a table of two columns.
fn pairs<T: ToString>(behind: &str, nth: usize, code: &[(&str, T)]) {
    let doc = columns::<2>(behind, nth);
    let code: Vec<[String; 2]> = code.iter().map(|(name, value)| [(*name).to_owned(), value.to_string()]).collect();
    assert_eq!(doc, code, "{behind}");
}

#[test]
fn the_documents_numbers_are_the_codes() {
    pairs(
        "## Numbers",
        0,
        &[
            ("FORMAT_VERSION", u64::from(super::FORMAT_VERSION)),
            ("PAGE", super::PAGE as u64),
            ("MAX_SHARDS", super::MAX_SHARDS.into()),
            ("MAX_KEY", super::MAX_KEY as u64),
            ("MAX_VALUE", super::MAX_VALUE as u64),
            ("MAX_INLINE_VALUE", super::MAX_INLINE_VALUE as u64),
            ("MAX_CODEC_NAME", super::MAX_CODEC_NAME as u64),
            ("MAX_CODEC_PARAM", super::MAX_CODEC_PARAM as u64),
            ("MAX_SEQ", record::MAX_SEQ),
            ("MAX_CHECKPOINT", checkpoint::MAX_LEN as u64),
            ("MIN_SEGMENT", segment::MIN_SEGMENT),
            ("MAX_SEGMENT", segment::MAX_SEGMENT),
            ("MAX_FIRST_SEGMENT", segment::MAX_FIRST_SEGMENT),
            ("MAX_SEGMENTS", segment::MAX_SEGMENTS as u64),
            ("FILE_NUMBERS", names::FILE_NUMBERS),
            ("TABLE", table::TABLE as u64),
            ("BUCKETS", table::BUCKETS as u64),
            ("BUCKET_SLOTS", table::BUCKET_SLOTS as u64),
            ("MIN_TABLES", table::MIN_TABLES as u64),
            ("MAX_TABLES", table::MAX_TABLES as u64),
            ("SMALL_DEPTH", directory::SMALL_DEPTH.into()),
            ("MAX_DEPTH", directory::MAX_DEPTH.into()),
            ("HEAD_LENGTH", head::LEN as u64),
            ("EXTENT_VALUE", extent::VALUE_AT as u64),
            ("EXTENT_KEY_HASH", extent::KEY_HASH as u64),
            ("FIRST_RECORD", segment::FIRST_RECORD as u64),
            ("FIRST_TABLE", table::FIRST_TABLE as u64),
            ("INTENT_WORDS", intent::WORDS as u64),
        ],
    );
}

#[test]
fn the_documents_file_names_are_the_codes() {
    let id = SegmentId::new(0x1234_5678, 0x9abc_def0);
    let patterns = [
        (names::segment(7, id), "seg-SS-GGGGGGGG-CCCCCCCC"),
        (names::extent(7, id), "ext-SS-GGGGGGGG-CCCCCCCC"),
        (names::segment_table(7, 0x12_3456), "tab-SS-NNNNNN"),
        (names::directory(7, 0x12_3456), "dir-SS-NNNNNN"),
        (names::index(7, 0x12_3456), "idx-SS-NNNNNN"),
    ];
    for (name, pattern) in &patterns {
        let spelled = pattern
            .replace("SS", "07")
            .replace("GGGGGGGG", "12345678")
            .replace("CCCCCCCC", "9abcdef0")
            .replace("NNNNNN", "123456");
        assert_eq!(*name, spelled);
    }
    let [first, second] = names::CHECKPOINTS;
    let fixed = [first, second, names::FIRST_CHECKPOINT, names::HEAD];
    let expected: Vec<&str> = fixed
        .into_iter()
        .chain(patterns.map(|(_, pattern)| pattern))
        .chain([names::SPARE, names::OWNER, names::LOCK])
        .collect();
    let doc: Vec<String> = columns::<1>("## Files", 0).into_iter().map(|[name]| name).collect();
    assert_eq!(doc, expected);
}

#[test]
fn the_documents_hashes_are_the_codes() {
    let hex = |value: u64| format!("{value:#018x}");
    pairs(
        "With the hash key",
        0,
        &[
            ("hash(\"key\")", hex(KEYS.hash(b"key"))),
            ("sum(\"bytes\")", hex(KEYS.sum(b"bytes"))),
            ("body(\"key\", \"value\")", hex(KEYS.body_sum(b"key", b"value"))),
        ],
    );
}

#[test]
fn the_documents_file_header_is_the_codes() {
    fields(
        "## Header of mapped files",
        0,
        &[
            (file::MAGIC, 8, "magic"),
            (file::VERSION, 4, "version"),
            (file::SHARD, 4, "shard"),
            (file::ID, 8, "id"),
            (file::LENGTH, 8, "length"),
            (file::DEVICE, 8, "device"),
            (file::INODE, 8, "inode"),
            (file::PREDECESSOR, 8, "predecessor"),
            (file::SUM, 4, "sum"),
            (file::PREDECESSOR_SUM, 4, "predecessor sum"),
        ],
    );
    assert_eq!(file::UNLINKED, u64::MAX);
    let magic = |kind: Kind| String::from_utf8(kind.magic().to_le_bytes().to_vec()).unwrap();
    pairs(
        "## Header of mapped files",
        1,
        &[
            ("HEAD", magic(Kind::Head)),
            ("segment", magic(Kind::Segment)),
            ("segment table", magic(Kind::SegmentTable)),
            ("directory", magic(Kind::Directory)),
            ("index file", magic(Kind::Index)),
            ("extent", magic(Kind::Extent)),
        ],
    );
}

/// Where two checkpoints' bytes differ behind the sum: the place of the field in which they were made to.
fn difference(change: impl Fn(&mut Checkpoint)) -> (usize, usize) {
    let mut changed = sample();
    change(&mut changed);
    let (one, other) = (sample().encode(), changed.encode());
    let differs = |&at: &usize| one[at] != other[at];
    let first = (checkpoint::BODY..one.len().min(other.len())).find(differs).expect("the field is in the bytes");
    let last = (checkpoint::BODY..one.len().min(other.len())).rev().find(differs).unwrap();
    (first, last + 1 - first)
}

#[test]
fn the_documents_checkpoint_is_the_codes() {
    let inverted = |bytes: [u8; 16]| bytes.map(|byte| !byte);
    let at = |name: &'static str, (offset, len): (usize, usize)| (offset, len, name);
    let shards = difference(|checkpoint| {
        checkpoint.shards.extend([const { ShardState { entries: 0, seq: 0, chain: Vec::new() } }; 2])
    })
    .0;
    let code = [
        (checkpoint::MAGIC, 8, "magic"),
        (checkpoint::VERSION, 4, "version"),
        (checkpoint::LENGTH, 4, "length"),
        (checkpoint::SUM, 8, "sum"),
        at("number", difference(|checkpoint| checkpoint.number = !9)),
        at("features", difference(|checkpoint| checkpoint.features = !0)),
        at("generation", difference(|checkpoint| checkpoint.generation = !2)),
        at("clean", difference(|checkpoint| checkpoint.clean = false)),
        at("align", difference(|checkpoint| checkpoint.align = 16)),
        (shards, 1, "shards"),
        (shards + 1, 1, "zero"),
        at("boot", difference(|checkpoint| checkpoint.boot = inverted(checkpoint.boot))),
        at("device", difference(|checkpoint| checkpoint.file.device = !1)),
        at("inode", difference(|checkpoint| checkpoint.file.inode = !2)),
        at("mount", difference(|checkpoint| checkpoint.mount = !3)),
        at("hash key", difference(|checkpoint| checkpoint.keys.hash = inverted(checkpoint.keys.hash))),
        at("sum key", difference(|checkpoint| checkpoint.keys.sum = !7)),
        at("capacity entries", difference(|checkpoint| checkpoint.capacity.entries = !1000)),
        at("capacity bytes", difference(|checkpoint| checkpoint.capacity.bytes = !64_000)),
    ];
    fields("## Checkpoints", 0, &code);
    let parts: Vec<String> = columns::<1>("## Checkpoints", 1).into_iter().map(|[name]| name).collect();
    assert_eq!(parts, ["key codec", "value codec", "each shard", "each link"]);
    let codecs = (4 + 3 + 4) + (4 + 4 + 4 + 2);
    assert_eq!(sample().encode().len(), 128 + codecs + (24 + 16) + 24);
    assert_eq!(&sample().encode()[..8], CHECKPOINT_MAGIC);
}

#[test]
fn the_documents_head_is_the_codes() {
    fields(
        "## HEAD",
        0,
        &[
            (0, file::HEADER, "header"),
            (head::SUSPECT, 8, "suspect"),
            (head::MAP_INTENT, 8, "map intent"),
            (head::SUM_KEY, 8, "sum key"),
        ],
    );
    assert_eq!((head::shard(0), head::shard(1)), (4096, 8192));
    assert_eq!(head::SHARD_LEN, 384, "what the page's sum is over ends here");
    fields(
        "The page of shard n",
        0,
        &[
            (head::SUM, 8, "sum"),
            (head::WRITTEN, 8, "written"),
            (head::SEGMENT_COUNTER, 8, "segment counter"),
            (head::EXTENT_COUNTER, 8, "extent counter"),
            (head::SEGMENT_TABLES, 8, "segment tables"),
            (head::SMALL_DIRECTORY, 8, "small directory"),
            (head::NEXT_DIRECTORY, 8, "next directory"),
            (head::GENERATION, 8, "generation"),
            (head::TAIL, 8, "tail"),
            (head::SEQ, 8, "seq"),
            (head::ENTRIES, 8, "entries"),
            (head::LIVE, 8, "live"),
            (head::EXTENTS, 8, "extents"),
            (head::PEAK, 8, "peak"),
            (head::ROOT, 8, "root"),
            (head::FIRST_INDEX, 8, "first index"),
            (head::NEXT_INDEX, 8, "next index"),
            (head::ALLOCATE, 8, "allocate"),
            (head::FREE_HEAD, 8, "free head"),
            (head::FREE_TAIL, 8, "free tail"),
            (head::FREE_COUNT, 8, "free count"),
            (head::TABLES, 8, "tables"),
            (head::INTENT, intent::LEN, "intent"),
        ],
    );
}

/// Compares an intent's table with the words in which its fields show.
macro_rules! intent_fields {
    ($behind:literal, $name:ident: $($field:ident),*) => {
        let code = [$({
            let words = $name { $field: 77, ..$name::default() }.encode(Operation::Put);
            let word = words.iter().position(|&word| word == 77).unwrap();
            assert_eq!($name::decode(&words).$field, 77);
            [word.to_string(), stringify!($field).to_owned()]
        }),*];
        assert_eq!(columns::<2>($behind, 0), code, $behind);
    };
}

#[test]
fn the_documents_intents_are_the_codes() {
    let operations: Vec<(String, u64)> =
        (0..).map_while(Operation::from_word).map(|operation| (format!("{operation:?}"), operation.word())).collect();
    let operations: Vec<(&str, u64)> = operations.iter().map(|(name, word)| (name.as_str(), *word)).collect();
    pairs("## Intents", 0, &operations);
    intent_fields!(
        "**Record**", RecordIntent: record, length, slot, tag, old_tag, old_record, entries, seq, live, tail, used_live, new_segment_live,
        new_segment_marks, old_segment_live, extents
    );
    intent_fields!("**Segment**", SegmentIntent: index, id, size, old_tail, predecessor, tail);
    intent_fields!("**Table**", TableIntent: old, first, second, root, allocate, free_head, free_last, free_count, tables);
    intent_fields!("**Clear**", ClearIntent: record, length, table, root, seq, marks, tail, allocate);
    intent_fields!("**Index**", IndexIntent: root, small_directory, first_index, allocate, tables);
}

#[test]
fn the_documents_records_and_extents_are_the_codes() {
    fields(
        "## Segments and records",
        0,
        &[
            (record::HEAD_SUM, 4, "head sum"),
            (record::VALUE_LEN, 4, "value length"),
            (record::KEY_LEN_SEQ, 8, "key length and sequence number"),
            (record::BODY_SUM_TYPE, 8, "body sum and type"),
        ],
    );
    assert_eq!(record::HEADER, 24);
    let number = |kind: Type| {
        let header = record::Header { kind, seq: 0, key_len: 0, value_len: 0, body_sum: 0 };
        header.encode(SegmentId::new(1, 1), 64, &KEYS)[record::BODY_SUM_TYPE + 7]
    };
    let types = [Type::Put, Type::PutExtent, Type::Tombstone, Type::Clear, Type::Pad];
    let types = types.map(|kind| (format!("{kind:?}"), number(kind)));
    pairs("## Segments and records", 1, &types.each_ref().map(|(name, number)| (name.as_str(), *number)));
    fields(
        "## Extents",
        0,
        &[
            (0, file::HEADER, "header"),
            (extent::KEY_HASH, 8, "key hash"),
            (extent::KEY_HASH_SUM, 8, "key hash sum"),
            (extent::VALUE_AT, 0, "value"),
        ],
    );
    let bytes = Descriptor { id: SegmentId(1), len: 2, sum: 3 }.encode();
    assert_eq!(bytes.len(), extent::DESCRIPTOR);
    let word = |value: u8| bytes.iter().position(|&byte| byte == value).unwrap();
    fields("## Extents", 1, &[(word(1), 8, "id"), (word(2), 8, "length"), (word(3), 8, "sum")]);
}

#[test]
fn the_documents_segment_table_is_the_codes() {
    fields(
        "## Segment table",
        0,
        &[(0, file::HEADER, "header"), (segment::TABLE_SUM, 8, "sum"), (segment::TABLE_ENTRIES, 0, "entries")],
    );
    fields(
        "## Segment table",
        1,
        &[
            (segment::ENTRY_STATE, 8, "state"),
            (segment::ENTRY_ID, 8, "id"),
            (segment::ENTRY_SIZE, 8, "size"),
            (segment::ENTRY_END, 8, "end"),
            (segment::ENTRY_LIVE, 8, "live"),
            (segment::ENTRY_MARKS, 8, "marks"),
            (segment::ENTRY_MARKS + 8, segment::ENTRY - segment::ENTRY_MARKS - 8, "reserved"),
        ],
    );
    let states: Vec<(String, u64)> =
        (0..).map_while(State::from_word).map(|state| (format!("{state:?}"), state.word())).collect();
    let states: Vec<(&str, u64)> = states.iter().map(|(name, word)| (name.as_str(), *word)).collect();
    pairs("## Segment table", 2, &states);
    assert_eq!((segment::table_entries(0), segment::table_entries(1), segment::ENTRY), (64, 128, 64));
    assert_eq!((segment::entry_place(63).0, segment::entry_place(64).0, segment::entry_place(191).0), (0, 1, 1));
}

#[test]
fn the_documents_directories_are_the_codes() {
    let doc = columns::<3>("## Directories", 0);
    let code = [0, 1, 2, 8, 9, 10, 18, 26].map(|depth| {
        [depth.to_string(), directory::entries_at(depth).to_string(), directory::file_len(depth).to_string()]
    });
    assert_eq!(doc, code);
    for depth in 0..=directory::SMALL_DEPTH {
        assert_eq!(directory::entries_at(depth), 4096 + 8 * ((1 << depth) - 1));
        assert_eq!(directory::sum_at(depth, 0), 64 + 8 * depth as usize);
    }
    assert_eq!(directory::sum_at(directory::MAX_DEPTH, 5), 64 + 8 * 5);
}

#[test]
fn the_documents_tables_and_words_are_the_codes() {
    fields(
        "## Index files and tables",
        0,
        &[
            (table::SUM, 8, "sum"),
            (table::PREFIX, 8, "prefix"),
            (table::DEPTH, 8, "depth"),
            (table::USED_LIVE, 8, "used and live"),
            (table::NEXT, 8, "next"),
            (table::NEXT + 8, table::FIRST_BUCKET - table::NEXT - 8, "reserved"),
            (table::FIRST_BUCKET, table::BUCKETS * table::BUCKET, "buckets"),
        ],
    );
    let tags_end = table::TAGS + table::BUCKET_SLOTS * 4;
    fields(
        "## Index files and tables",
        1,
        &[
            (0, table::TAGS, "records"),
            (table::TAGS, table::BUCKET_SLOTS * 4, "tags"),
            (tags_end, table::BUCKET - tags_end, "reserved"),
        ],
    );
    assert_eq!(table::slot_at(7), (table::FIRST_BUCKET + 64 + 40 + 8, table::FIRST_BUCKET + 64 + 16));
    assert_eq!((Tag::EMPTY, Tag::TOMBSTONE), (Tag(0), Tag(1)));
    assert_eq!(table::FIRST_BUCKET + table::BUCKETS * table::BUCKET, table::TABLE);

    let field = |word: &str, low: u32, high: u32| [word.to_owned(), format!("{low}–{high}")];
    let low_bits = |word: u64| word.trailing_ones();
    let all_slots = slot_word(0, 2047);
    let code = [
        field("record reference", 0, low_bits(RecordRef::new(0, ((1 << 40) - 1) << 3).0) - 1),
        field("record reference", RecordRef::new(1, 0).0.trailing_zeros(), 63),
        field("table reference", 0, 63),
        field("root", 0, low_bits(Root::new(0, 0, 255).0) - 1),
        field("root", Root::new(0, 1, 0).0.trailing_zeros(), low_bits(Root::new(0, 0xFF_FFFF, 255).0) - 1),
        field("root", Root::new(1, 0, 0).0.trailing_zeros(), 63),
        field("slot's place", 0, low_bits(all_slots) - 1),
        field("slot's place", slot_word(1, 0).trailing_zeros(), 63),
        field("segment or extent id", 0, low_bits(SegmentId::new(0, u32::MAX).0) - 1),
        field("segment or extent id", SegmentId::new(1, 0).0.trailing_zeros(), 63),
    ];
    assert_eq!(columns::<2>("## Words", 0), code);
    assert_eq!(TableRef { file: 2, number: 3 }.word(), 1 + (2 * 65536 + 3));
    assert_eq!(slot_place(all_slots), (0, 2047));
}

/// The bytes of an example, `hex NAME` in the document.
fn example(name: &str) -> Vec<u8> {
    let lines = DOC.lines().skip_while(|line| line.trim_start_matches('`') != format!("hex {name}")).skip(1);
    let digits: String = lines
        .take_while(|line| !line.starts_with("```"))
        .flat_map(|line| line.chars())
        .filter(|c| !c.is_whitespace())
        .collect();
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

fn same(name: &str, code: &[u8]) {
    let spelled = |bytes: &[u8]| {
        let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(spelled(&example(name)), spelled(code), "{name}");
}

#[test]
fn golden_headers_and_records_are_read_and_written() {
    let (id, before) = (SegmentId::new(1, 2), SegmentId::new(1, 1));
    let file = FileId { device: 0x801, inode: 0x1234 };
    let header = Header { kind: Kind::Segment, shard: 3, id: id.0, length: 65536, file, predecessor: before.0 };
    same("segment-header", &header.encode(&KEYS));
    let golden: [u8; file::HEADER] = example("segment-header").try_into().unwrap();
    assert_eq!(Header::decode(&golden, Kind::Segment, &KEYS), Some(header));

    let extent = Descriptor { id: SegmentId::new(1, 7), len: 300_000, sum: 0x1122_3344_5566_7788 };
    assert_eq!(Descriptor::decode(&extent.encode()), Some(extent));
    type Golden<'a> = (&'a str, Type, usize, u64, &'a [u8], &'a [u8]);
    let records: [Golden<'_>; 4] = [
        ("put", Type::Put, 64, 5, b"key", b"value"),
        ("put-extent", Type::PutExtent, 104, 6, b"key", &extent.encode()),
        ("tombstone", Type::Tombstone, 160, 7, b"key", b""),
        ("clear", Type::Clear, 192, 8, b"", b""),
    ];
    let mut end = segment::FIRST_RECORD;
    for (name, kind, offset, seq, key, value) in records {
        assert_eq!(offset, end, "each stands right behind the one before");
        let header = record::Header {
            kind,
            seq,
            key_len: key.len(),
            value_len: value.len(),
            body_sum: KEYS.body_sum(key, value),
        };
        let mut bytes = vec![0; header.len(8)];
        bytes[..record::HEADER].copy_from_slice(&header.encode(id, offset, &KEYS));
        bytes[record::HEADER..record::HEADER + key.len()].copy_from_slice(key);
        bytes[header.value_at(8)..header.value_at(8) + value.len()].copy_from_slice(value);
        same(name, &bytes);
        assert_eq!(record::Header::verify(&example(name), id, offset, &KEYS), Some(header));
        end += bytes.len();
    }
    let pad = record::Header::pad(40);
    same("pad", &pad.encode(id, end, &KEYS));
    assert_eq!(record::Header::verify(&example("pad"), id, end, &KEYS), Some(pad));
    assert_eq!(pad.len(8), 40);
}

#[test]
fn golden_checkpoint_intent_and_slot_are_read_and_written() {
    let checkpoint = sample();
    same("checkpoint", &checkpoint.encode());
    assert_eq!(Checkpoint::decode(&example("checkpoint")), Ok(checkpoint));

    let bytes = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let words: intent::Words =
        std::array::from_fn(|at| if at == 0 { Operation::Put.word() } else { 0x100 + at as u64 });
    let intent = RecordIntent::decode(&words);
    same("intent", &bytes(&intent.encode(Operation::Put)));
    let golden = example("intent");
    let read: intent::Words = std::array::from_fn(|at| super::get_u64(&golden, at * 8));
    assert_eq!((Operation::from_word(read[0]), RecordIntent::decode(&read)), (Some(Operation::Put), intent));

    let record = RecordRef::new(1, segment::FIRST_RECORD);
    // In a map of four shards.
    let tag = Tag::of(KEYS.hash(b"key") << 2);
    same("slot", &[&bytes(&[record.0])[..], &tag.0.to_le_bytes()].concat());
    let golden = example("slot");
    let read = RecordRef(super::get_u64(&golden, 0));
    assert_eq!((super::get_u32(&golden, 8), read.segment(), read.offset()), (tag.0, 1, 64));
    pairs("The search for it begins", 0, &[("bucket", tag.bucket())]);
}
