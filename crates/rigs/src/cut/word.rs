//! What a writer says over its pipe.

use opendiskmap::Reason;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The map is open, and what it holds is in the file `held`.
    Opened(Reason),
    /// A flush has resolved that was asked for when the map was open and before anything was written.
    Flushed,
    Returned {
        thread: usize,
        start: u64,
        end: u64,
        answer: bool,
    },
    Closed,
    /// A call failed: nothing, once the power is gone.
    Failed,
}

pub const WORD: usize = 32;
const REASONS: [Reason; 4] = [Reason::Created, Reason::Clean, Reason::Killed, Reason::Rebuilt];

impl Word {
    #[must_use]
    pub fn bytes(self) -> [u8; WORD] {
        let [kind, thread, start, end] = match self {
            Self::Opened(reason) => [1, REASONS.iter().position(|other| *other == reason).unwrap_or(0) as u64, 0, 0],
            Self::Flushed => [2, 0, 0, 0],
            Self::Returned { thread, start, end, answer } => [3, thread as u64 * 2 + u64::from(answer), start, end],
            Self::Closed => [4, 0, 0, 0],
            Self::Failed => [5, 0, 0, 0],
        };
        let mut bytes = [0; WORD];
        for (part, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip([kind, thread, start, end]) {
            *part = word.to_le_bytes();
        }
        bytes
    }

    #[must_use]
    pub fn from(bytes: &[u8; WORD]) -> Option<Self> {
        let words: Vec<_> = bytes.as_chunks::<8>().0.iter().map(|part| u64::from_le_bytes(*part)).collect();
        let [kind, thread, start, end] = *words else { return None };
        Some(match kind {
            1 => Self::Opened(*REASONS.get(thread as usize)?),
            2 => Self::Flushed,
            3 => Self::Returned { thread: thread as usize / 2, start, end, answer: thread % 2 == 1 },
            4 => Self::Closed,
            5 => Self::Failed,
            _ => return None,
        })
    }
}
