// What of the specs cannot hold under another runtime, and why. docs/platforms.md says what follows for users.

const SERIALIZER = 'Bun has no serializer of V8, so maps of structured do not open'
const COLLECTOR = 'the test calls the collector of V8'
const WORKERS =
  'a worker that is ended does not tell addons: its handles stay open until the process ends'
const NO_MANIFEST = 'Deno looks for packages only below a folder with a package.json'
const LATE = 'Bun ends at a rejection that is handled a turn later'
const SHOWN = 'Bun prints objects and bytes in another way'
const POOL = 'the test holds up the threads of Node’s pool, which are others here'
const OPEN = 'not understood yet: docs/platforms.md'

/**
 * @typedef {object} Gaps
 * @property {Record<string, string>} specs that need not run to their end
 * @property {Record<string, string>} tests by `spec › test`
 * @property {[RegExp, string][]} words of a failure
 */

/** @type {Record<string, Gaps>} by runtime */
export const KNOWN_GAPS = {
  deno: {
    specs: {
      lifetime: POOL,
      'open-async': POOL,
      'batch-bad-input': 'it takes too long',
      'batch-singles': 'it takes too long',
    },
    tests: {
      'verify › verify is called off by its signal, with the reason of the signal': POOL,
      'verify › verify that is cut off by close is ERR_CLOSED': POOL,
      'codecs-arch › codecs of schemas need no code from strings':
        'the test gives a flag of V8 by way of Node',
      'codecs-msgpack › msgpack keeps what its documentation says': 'errors have a cause in Deno',
      'codecs-msgpack › without msgpackr the codec is ERR_CODEC_UNAVAILABLE and says what to install':
        NO_MANIFEST,
      'codecs-msgpack › msgpackr is loaded when the codec is first used, and not before':
        'the test gives a program by way of Node',
      'emits › an installed package works from import and from require': NO_MANIFEST,
      'get-async › threads that are terminated in the middle of getAsync hold nothing': WORKERS,
      'lifetime › pending flush and getAsync are done when close returns, and resolve after': POOL,
      'open-async › openAsync keeps the files off the event loop: the pool touches them': POOL,
    },
    words: [
      [/ERR_MODULE_NOT_FOUND/, NO_MANIFEST],
      [/lost-files\.spec/, OPEN],
      [/transfer on a detached/, 'Deno hands memory over that is not its own, as Node does not'],
    ],
  },
  bun: {
    specs: {
      'view-arch': COLLECTOR,
      'view-ends': COLLECTOR,
      views: COLLECTOR,
      backup: LATE,
      signals: LATE,
      'batch-singles': SERIALIZER,
    },
    tests: {
      'codecs-msgpack › msgpack keeps what its documentation says':
        'errors have other fields in Bun',
      'get-async › threads that are terminated in the middle of getAsync hold nothing': WORKERS,
      'workers › a thread that throws or exits in a callback leaves the map whole and usable':
        WORKERS,
      'limits › a value that is longer as JSON than a string can be is ERR_TOO_LARGE, and changes nothing':
        'strings of Bun may be longer',
      'open-async › openAsync keeps the files off the event loop: the pool touches them':
        'the test counts on the size of Node’s pool of threads',
      'open-async › threads that are terminated in the middle of openAsync hold nothing': WORKERS,
      'documentation › every program of README.md and docs/ compiles, and prints what it says':
        SHOWN,
      'cli-bad-input › in a directory that may not be written, what reads works and what writes is ERR_IO; nothing is changed':
        OPEN,
      'cli-round-trip › what is written of a value of structured, as JSON and alone, is read as the same value':
        SERIALIZER,
      'codecs-hostile › bytes that structured did not write are a value or ERR_CORRUPT, and nothing else':
        SERIALIZER,
      'codecs-structured › what needs no serializer is written so that V8 reads it, and read as V8 writes it':
        SERIALIZER,
      'codecs-structured › a plain value with bytes too many or too few is what V8 makes of it':
        SERIALIZER,
      'emits › a test runner that gives every file a context and a require of its own can use it':
        SERIALIZER,
    },
    words: [[/serializer of V8|ERR_CODEC_UNAVAILABLE|codecs\/structured\.js/, SERIALIZER]],
  },
}
