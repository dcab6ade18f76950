// What of the specs cannot hold under another runtime, and why. docs/platforms.md says what follows for users.

const SERIALIZER = 'Bun has no serializer of V8, so maps of structured do not open'
const COLLECTOR = 'the test calls the collector of V8'
const WORKERS =
  'Bun ends a worker without telling addons: its handles stay open until the process ends'

/**
 * @typedef {object} Gaps
 * @property {Record<string, string>} specs that need not run to their end
 * @property {Record<string, string>} tests by `spec › test`
 * @property {[RegExp, string][]} words of a failure
 */

/** @type {Record<string, Gaps>} by runtime */
export const KNOWN_GAPS = {
  deno: {
    specs: {},
    tests: {
      'codecs-arch › codecs of schemas need no code from strings':
        'the test gives a flag of V8 by way of Node',
    },
    words: [],
  },
  bun: {
    specs: {
      'view-arch': COLLECTOR,
      'view-ends': COLLECTOR,
      views: COLLECTOR,
      backup: 'Bun ends at a rejection that is handled a turn later',
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
      'types › the programs of docs/arch.md compile, and print what they say':
        'Bun prints bytes in another way',
      'emits › a test runner that gives every file a context and a require of its own can use it':
        SERIALIZER,
    },
    words: [[/serializer of V8|ERR_CODEC_UNAVAILABLE|codecs\/structured\.js/, SERIALIZER]],
  },
}
