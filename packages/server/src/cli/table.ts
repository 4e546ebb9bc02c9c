// What a command prints for people: columns, with nothing in them that a terminal would obey.

import { printable } from './server-call.ts'

/** Columns that grow with what comes, so that page after page can be printed without keeping the pages. */
export class Table {
  readonly #titles: readonly string[]
  readonly #widths: number[]
  readonly #width: number
  #begun = false

  /** @param width characters of a line; longer ones are cut off at their end. Infinity: not at all */
  constructor(titles: readonly string[], width: number) {
    this.#titles = titles
    this.#widths = titles.map(({ length }) => length)
    this.#width = width
  }

  /** The lines for these rows, under the titles when they are the first. */
  lines(rows: readonly (readonly string[])[]): string[] {
    const clean = rows.map((row) => row.map(printable))
    for (const row of clean) {
      for (const [i, cell] of row.entries()) this.#widths[i] = Math.max(this.#widths[i] ?? 0, cell.length)
    }
    const titled = this.#begun ? clean : [this.#titles, ...clean]
    this.#begun = true
    return titled.map((row) => this.#line(row))
  }

  #line(row: readonly string[]): string {
    const padded = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(this.#widths[i] ?? 0)))
    const line = padded.join('  ').trimEnd()
    return line.length > this.#width ? `${line.slice(0, this.#width - 1)}…` : line
  }
}

/** A value as JSON in one line. Characters that a terminal might obey are written as escapes, so that nothing is changed. */
export function jsonLine(value: unknown): string {
  const escaped = (one: string): string => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`
  return (JSON.stringify(value) ?? 'null').replaceAll(
    /[\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/g,
    escaped,
  )
}

/** A field of an answer as text; nothing when it is not there. */
export function text(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : jsonLine(value)
}

/** RFC 3339 to the second, as an operator reads it; other text as it is. */
export function time(value: unknown): string {
  return text(value).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/, '$1 $2Z')
}
