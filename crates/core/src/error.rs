//! Every way a call can fail: one table of codes, one error type.

use std::fmt;
use std::io;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What went wrong, as a stable name. The TypeScript face has the same table; a test compares them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The name that JavaScript sees as `error.code`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// Another process, or another copy of the library in this one, has the map open.
    Locked = "ERR_LOCKED",
    /// The disk, a quota, a size limit or the process's mappings are used up. Nothing was changed.
    NoSpace = "ERR_NO_SPACE",
    /// Bytes on disk do not match their checksum or point outside their file.
    Corrupt = "ERR_CORRUPT",
    /// The directory holds something else.
    NotAMap = "ERR_NOT_A_MAP",
    /// No such directory, and it may not or cannot be created.
    NotFound = "ERR_NOT_FOUND",
    /// The operating system refused a read, a write or a sync.
    Io = "ERR_IO",
    /// A file of the open map was deleted or replaced.
    FileGone = "ERR_FILE_GONE",
    /// The file system cannot hold a map: it is on a network, or it has no locks.
    FsUnsupported = "ERR_FS_UNSUPPORTED",
    /// The handle was closed.
    Closed = "ERR_CLOSED",
    /// The map was opened for reading only, or a failed sync made it so.
    ReadOnly = "ERR_READ_ONLY",
    /// The map was created with another codec.
    CodecMismatch = "ERR_CODEC_MISMATCH",
    /// A codec needs a package that is not installed.
    CodecUnavailable = "ERR_CODEC_UNAVAILABLE",
    /// A stated option differs from the map's.
    OptionsMismatch = "ERR_OPTIONS_MISMATCH",
    /// The map was written by a newer version.
    Version = "ERR_VERSION",
    /// The key cannot be encoded.
    InvalidKey = "ERR_INVALID_KEY",
    /// The value cannot be encoded.
    InvalidValue = "ERR_INVALID_VALUE",
    /// An argument or option is unknown or out of range.
    InvalidArgument = "ERR_INVALID_ARGUMENT",
    /// A key or value is longer than the format allows.
    TooLarge = "ERR_TOO_LARGE",
    /// An update lost too many races in a row.
    Conflict = "ERR_CONFLICT",
    /// A bug stopped an operation halfway; the shard serves nothing until it is opened again.
    Poisoned = "ERR_POISONED",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed call: a code to branch on, a sentence to read, and the operating system's errno where there was one.
#[derive(Clone, Debug)]
pub struct Error(Box<Details>);

/// Behind a pointer, so that a call which may fail returns hardly more than one which may not.
#[derive(Clone, Debug)]
struct Details {
    code: Code,
    message: Box<str>,
    errno: Option<i32>,
    /// What is damaged can be derived again from the log.
    of_index: bool,
    /// A sync failed: nobody knows what the disk holds.
    of_sync: bool,
}

/// The result of every fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of one's own, for a layer above the engine.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error::of(code, message.into(), None)
    }

    fn of(code: Code, message: String, errno: Option<i32>) -> Self {
        let message = message.into_boxed_str();
        Error(Box::new(Details { code, message, errno, of_index: false, of_sync: false }))
    }

    /// For a boundary that catches a panic.
    #[must_use]
    pub fn stopped() -> Self {
        Error::new(
            Code::Poisoned,
            "A bug stopped the call halfway. Close the map and open it again; please report this.",
        )
    }

    pub(crate) fn corrupt(what: impl fmt::Display) -> Self {
        Error::new(
            Code::Corrupt,
            format!("The map is damaged: {what}. Open it with recovery: 'full', or restore a backup."),
        )
    }

    pub(crate) fn file_gone(name: &str) -> Self {
        Error::new(
            Code::FileGone,
            format!("{name} was deleted or replaced while the map was open. Copy what you need to a new map."),
        )
    }

    /// Sorts an operating system error into the codes: what means "full" is `NoSpace`, the rest is `Io`.
    pub(crate) fn os(action: impl fmt::Display, error: &io::Error) -> Self {
        let errno = error.raw_os_error();
        let (code, advice) = if crate::sys::is_full(error) {
            (Code::NoSpace, "Free some space or raise the limit, then try again; nothing was changed")
        } else if crate::sys::is_foreign(error) {
            (
                Code::Corrupt,
                "Files of a map are regular files under one name; put the file itself there, or restore a backup",
            )
        } else {
            (Code::Io, "Check the device and its permissions")
        };
        Error::of(code, format!("Could not {action}: {error}. {advice}."), errno)
    }

    /// A file that could not be mapped.
    pub(crate) fn unmapped(what: &str, error: &io::Error) -> Self {
        if !crate::sys::lacks_mappings(error) {
            return Error::os(format_args!("map {what}"), error);
        }
        let message = format!(
            "Could not map {what}: the process has no mappings or address space left. {}, or let go of views.",
            crate::sys::MORE_MAPPINGS
        );
        Error::of(Code::NoSpace, message, error.raw_os_error())
    }

    /// A sync that failed is `Io` whatever the reason, a full disk too: to try it again would lie.
    pub(crate) fn sync(action: impl fmt::Display, error: &io::Error) -> Self {
        let message = format!(
            "Could not {action}: {error}. What was written since the last flush may not be on the disk. Check the device, and open the map again."
        );
        let mut failed = Error::of(Code::Io, message, error.raw_os_error());
        failed.0.of_sync = true;
        failed
    }

    /// The operating system's error number, for a sentence that says more than its own.
    pub(crate) fn caused_by(mut self, error: &io::Error) -> Self {
        self.0.errno = error.raw_os_error();
        self
    }

    pub(crate) const fn is_of_sync(&self) -> bool {
        self.0.of_sync
    }

    /// Marks damage of what is derived from the log. Other errors, such as a full disk, stay what they are.
    pub(crate) fn of_index(mut self) -> Self {
        self.0.of_index = self.0.code == Code::Corrupt;
        self
    }

    pub(crate) const fn is_of_index(&self) -> bool {
        self.0.of_index
    }

    /// The code to branch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.0.code
    }

    /// The operating system's error number, where there was one.
    #[must_use]
    pub const fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// The sentence, without the code.
    #[must_use]
    pub const fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}
