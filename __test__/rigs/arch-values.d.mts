import type { Arbitrary } from 'fast-check'
import type { Type } from '../../lib/codecs/arch/layout.js'

/** Values of a type, as `get` gives them. */
export function valuesOf(type: Type): Arbitrary<unknown>

/** The value that a JSON value of the program `arch` stands for. */
export function fromJson(type: Type, json: unknown): unknown
