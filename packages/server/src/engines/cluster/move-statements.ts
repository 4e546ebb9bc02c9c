// Statements of a move, made of the table of its columns: one copies a piece of a section, one looks whether it is there as
// it was copied.

import { hash } from 'node:crypto'
import type { WholeRecords, WholeSection } from '../embedded/whole-records.ts'
import { type Column, type Target, targets } from './move-columns.ts'

type Values = (string | number | null)[]

const recordsMax = 5_000
const bytesMax = 4 * 1024 * 1024

/** Records that go together, as columns. */
export class Piece<Section extends WholeSection> {
  readonly columns: Values[]
  size = 0
  /** Where its last record stands. */
  last: Buffer = Buffer.alloc(0)
  readonly #target: Target<WholeRecords[Section]>
  readonly #digests: boolean
  #bytes = 0

  /** @param digests large values as their MD5s, as the check wants them */
  constructor(section: Section, digests: boolean) {
    this.#target = targets[section]
    this.#digests = digests
    this.columns = this.#target.columns.map(() => [])
  }

  get full(): boolean {
    return this.size >= recordsMax || this.#bytes >= bytesMax
  }

  /** Runs once per record. */
  add(at: Buffer, record: WholeRecords[Section]): void {
    for (const [i, { of, large }] of this.#target.columns.entries()) {
      const value = of(record)
      const text = typeof value === 'string'
      this.#bytes += text ? value.length + 8 : 8
      this.columns[i]?.push(text && large && this.#digests ? hash('md5', value) : value)
    }
    this.last = at
    this.size++
  }
}

/** Parameters of the columns, from the first on. */
function brought<Row>({ columns, inLog }: Target<Row>, from: number): string {
  const arrays = columns.map(({ type }, i) => `$${from + i}::${type}[]`)
  const names = columns.map(({ name }) => `"${name}"`)
  const log = inLog === undefined ? '' : ' left join nitka.logs l on l.kind = w.kind and l.id = w.log'
  return `unnest(${arrays.join(', ')}) as w (${names.join(', ')})${log}`
}

/** Those that the table has. */
function kept<Row>({ columns }: Target<Row>): readonly Column<Row>[] {
  return columns.filter(({ stored }) => stored !== '')
}

function valueText<Row>({ name, stored }: Column<Row>): string {
  return stored ?? `w."${name}"`
}

/**
 * Copies a piece and notes where it ends, or neither. Parameters: the section and position before, those after, how many
 * records, the store's name; then the columns. Gives `moved` 0 when somebody else has gone on from there.
 */
export function copyStatement(section: WholeSection): string {
  const target = targets[section] as Target<never>
  const columns = kept(target)
  return `
    with mark as (
      update nitka.move set section = $3, position = $4, copied = copied + $5::bigint
        where section = $1 and position = $2 and source = $6 and ended is null returning 1
    ), put as (
      insert into ${target.table} (${columns.map(({ name }) => `"${name}"`).join(', ')})
        select ${columns.map(valueText).join(', ')} from ${brought(target, 7)} where exists (select from mark)
    )
    select count(*)::int as moved from mark`
}

/** Those of a piece that are missing or different, by their keys, at most `most`. Parameters: the columns. */
export function checkStatement(section: WholeSection, most: number): string {
  const target = targets[section] as Target<never>
  const columns = kept(target)
  const named = new Map(columns.map((column) => [column.name, column]))
  const there = columns.map(({ name, large }) => (large ? `md5(t."${name}")` : `t."${name}"`))
  const match = target.key.map((name) => {
    const column = named.get(name)
    return `t."${name}" = ${column === undefined ? `w."${name}"` : valueText(column)}`
  })
  const shown = target.columns.filter(({ name }) => target.key.includes(name) || name === 'kind')
  return `
    select concat_ws(' ', ${shown.map(({ name }) => `w."${name}"`).join(', ')}) as name,
           t."${target.key[0]}" is null as missing
      from ${brought(target, 1)} left join ${target.table} t on ${match.join(' and ')}
      where (${there.join(', ')}) is distinct from (${columns.map(valueText).join(', ')})
      limit ${most}`
}

export function countStatement(section: WholeSection): string {
  const { table, where = 'true' } = targets[section]
  return `select count(*) as count from ${table} where ${where}`
}
