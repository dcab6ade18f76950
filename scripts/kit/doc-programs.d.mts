export interface DocProgram {
  readonly name: string
  readonly text: string
  readonly prints: string[]
}
export const pages: string[]
export function languagesOf(page: string): string[]
export function programsOf(page: string): DocProgram[]
