/** Mixes numbers to 32 bits. */
export function mix(...parts: number[]): number
