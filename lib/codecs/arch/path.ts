/** A step to a part of a value: to a field or variant by its name, to an element by its index. */
export type Step = string | number

/** What a name must be like to stand without quotes. */
export const BARE: RegExp = /^[A-Za-z_$][A-Za-z0-9_$]*$/

const LONGEST_SHOWN = 300

/** Where something is, for a message: `user.home.city`, `scores[3]`. */
export function pathText(steps: readonly Step[]): string {
  let text = ''
  for (const step of steps) {
    if (typeof step !== 'string') text += `[${step}]`
    else if (!BARE.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return shorten(text)
}

/** A text that may be long, for a message. */
export function shorten(text: string): string {
  if (text.length <= LONGEST_SHOWN) return text
  const half = LONGEST_SHOWN / 2
  return `${text.slice(0, half)} … ${text.slice(-half)}`
}
