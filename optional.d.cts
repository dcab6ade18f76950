import type * as nodeV8 from 'node:v8'

/** The package msgpackr; throws if it is not installed. */
export declare function msgpackr(): object
/** Node's module v8. */
export declare function v8(): typeof nodeV8
