// The programs that stand in the documentation, and what they say that they print.
import { readdirSync, readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)

/** @typedef {{ name: string, text: string, prints: string[] }} DocProgram `prints`: line by line */

/** Every page of the documentation, as a path below the root. */
export const pages = [
  'README.md',
  ...readdirSync(new URL('docs', root))
    .filter((name) => name.endsWith('.md'))
    .toSorted()
    .map((name) => `docs/${name}`),
]

/** The language of every block of code of a page, in order. @param {string} page */
export function languagesOf(page) {
  const text = readFileSync(new URL(page, root), 'utf8')
  const fences = Array.from(text.matchAll(/^```(.*)$/gm), ([, language = '']) => language)
  return fences.filter((_, i) => i % 2 === 0)
}

/**
 * The programs of a page: its blocks of TypeScript. What a program prints stands behind each of its `console.log`.
 * @param {string} page
 * @returns {DocProgram[]}
 */
export function programsOf(page) {
  const text = readFileSync(new URL(page, root), 'utf8')
  const blocks = Array.from(text.matchAll(/^```ts\n(.*?)^```$/gms), ([, block = '']) => block)
  return blocks.map((block, i) => {
    const said = block.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)
    const prints = Array.from(said, ([, line = '']) => line)
    return { name: `${page}, program ${i + 1}`, text: block, prints }
  })
}
