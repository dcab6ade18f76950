// Specs and tests that cannot hold under another runtime, and why. docs/platforms.md says what follows for users.

/** @type {Record<string, Record<string, string>>} by runtime; by spec or by `spec › test` */
export const KNOWN_GAPS = {
  bun: {},
  deno: {},
}
