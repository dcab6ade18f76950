//! Where drawn values come from: the first of a type is the least one, the second the greatest, and the others are mixed.

use crate::random::Random;

/// From here on values may be long. The ones before are few and kept in files.
const LONG_FROM: usize = 20;

pub struct Draws {
    random: Random,
    nth: usize,
    /// Lists around the value that is drawn.
    lists: usize,
}

impl Draws {
    /// Each value of each type has draws of its own: it is the same however many others are drawn.
    #[must_use]
    pub fn new(seed: u64, kind: &str, nth: usize) -> Self {
        // FNV-1a.
        let hash = kind
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let start = Random::new(hash ^ seed).word() ^ nth as u64;
        Self { random: Random::new(Random::new(start).word()), nth, lists: 0 }
    }

    pub fn word(&mut self) -> u64 {
        self.random.word()
    }

    #[must_use]
    pub fn nth(&self) -> usize {
        self.nth
    }

    /// One of several, which stand in order.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        match self.nth {
            0 => all[0],
            1 => all[all.len() - 1],
            _ => all[self.random.below(all.len())],
        }
    }

    /// A mixed value now and then, and never among the first.
    fn is_long(&mut self, once_in: usize) -> bool {
        self.nth >= LONG_FROM && self.random.below(once_in) == 0
    }

    /// A list; one within others is short.
    pub fn list<T>(&mut self, element: fn(&mut Self) -> T) -> Vec<T> {
        let outer = self.lists == 0;
        let count = if outer && self.is_long(30) {
            100 + self.random.below(200)
        } else if outer {
            self.one_of(&[0, 1, 2, 3, 4])
        } else {
            self.one_of(&[0, 1, 2])
        };
        self.lists += 1;
        let list = (0..count).map(|_| element(self)).collect();
        self.lists -= 1;
        list
    }

    /// How many bytes a text has: those at which its archived form changes, and some between.
    pub fn text_length(&mut self) -> usize {
        if self.is_long(60) {
            return 16_370 + self.random.below(30);
        }
        self.one_of(&[0, 1, 4, 7, 8, 9, 12, 20, 63, 64, 65])
    }

    /// Text of so many bytes, of characters of one to four.
    pub fn text(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let character = match self.random.below(12) {
                0 => ['é', 'ß', '\u{80}', '\u{7ff}'][self.random.below(4)],
                1 => ['€', '\u{800}', '\u{ffff}', '\u{2028}'][self.random.below(4)],
                2 => ['𝄞', '😀', '\u{10ffff}', '\u{10000}'][self.random.below(4)],
                3 => ['\0', '"', '\\', '\n'][self.random.below(4)],
                _ => char::from(b'a' + self.random.below(26) as u8),
            };
            let fits = text.len() + character.len_utf8() <= length;
            text.push(if fits { character } else { '.' });
        }
        text
    }
}
