/** The package msgpackr; throws if it is not installed. */
export declare function msgpackr(): object
