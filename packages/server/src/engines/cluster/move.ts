// Moves an embedded store into Postgres, piece by piece. A piece and the note of how far the move has come are one
// statement, so a move that was ended anywhere goes on where it was. Then everything is compared, and only then may nodes
// start.

import { NitkaError } from '@nitka/protocol'
import type { Clock } from '../../world.ts'
import { type Placed, type WholeSection, wholeOrder } from '../embedded/whole-records.ts'
import { answering, checkUrl } from './addresses.ts'
import { Database } from './database.ts'
import { migrate } from './migrate.ts'
import { checkStatement, copyStatement, countStatement, Piece } from './move-statements.ts'

/** A piece is written within that, and all of a table counted. */
const statementMs = 600_000
/** So many differences are told of a section. */
const toldMax = 3

/** The store that is moved: nobody else has it, and it does not change. */
export interface MoveSource {
  readonly epoch: string
  readonly generation: number
  readonly batch: number
  nextToken(): Promise<number>
  records<Section extends WholeSection>(section: Section, after?: Buffer): AsyncGenerator<Placed<Section>>
}

/** How many records are moved, or compared, so far. */
export type Told = (records: number) => void

export type Counts = Readonly<Record<string, number>>

interface MoveRow {
  readonly section: string
  readonly position: string
  readonly copied: number
  readonly ended: boolean
  readonly source: string
  readonly batch: number
  readonly settled: boolean
  /** A node was started here since. */
  readonly used: boolean
}

export class Move {
  readonly #database: Database
  readonly #source: MoveSource

  private constructor(database: Database, source: MoveSource) {
    this.#database = database
    this.#source = source
  }

  /**
   * Connects, and brings the schema to this version.
   * @throws NitkaError one line for a person, without the password
   */
  static async open(parts: { url: string; clock: Clock; source: MoveSource }): Promise<Move> {
    const { url, clock, source } = parts
    checkUrl(url, 'to', ['postgres:', 'postgresql:'])
    const database = new Database({ url, clock, connectionsMax: 1, statementMs })
    try {
      await answering('Postgres', [url], () => migrate(database))
    } catch (error) {
      await database.close()
      throw error
    }
    return new Move(database, source)
  }

  /**
   * Copies what is not there yet. Gives how many records were there before: more than 0, it went on.
   * @throws NitkaError `conflict` nodes use the database, or what it holds is not of this store
   */
  async copy(told: Told): Promise<number> {
    const { epoch, batch } = this.#source
    const [begun] = await this.#database.run<{ answer: string }>('select nitka.begin_move($1, $2) as answer', [
      epoch,
      batch,
    ])
    refuse(begun?.answer ?? '')
    const { copied, section, position, ended } = await this.#row()
    if (ended) return copied
    let at: Mark = { section, position }
    let records = copied
    const from = Math.max(0, wholeOrder.indexOf(section as WholeSection))
    for (const next of wholeOrder.slice(from)) {
      const after = next === section && position !== '' ? Buffer.from(position, 'hex') : undefined
      at = await this.#copySection(next, after, at, (more) => {
        records += more
        told(records)
      })
      // The next statements are planned by what is there now.
      await this.#database.script(`analyze ${tablesOf[next] ?? 'nitka.move'}`)
    }
    const { generation } = this.#source
    const fence = await this.#fence()
    await this.#database.run('select nitka.settle_move($1, $2, $3)', [epoch, generation + 1, fence])
    return copied
  }

  /**
   * Compares every record with its row, and counts both. Gives the counts; the move has ended then, and nodes may start.
   * @throws NitkaError `damaged` the first differences; `conflict` there is nothing to compare, or nodes have worked on it
   */
  async check(told: Told): Promise<Counts> {
    const row = await this.#row()
    if (row.source !== this.#source.epoch) refuse('other')
    if (row.batch !== this.#source.batch) refuse('changed')
    if (!row.settled) refuse('unfinished')
    if (row.used) refuse('used')
    await this.#database.run('update nitka.move set ended = null')
    const wrong: string[] = []
    const counts: Record<string, number> = {}
    let records = 0
    for (const section of wholeOrder) {
      const count = await this.#checkSection(section, wrong, (more) => {
        records += more
        told(records)
      })
      if (count > 0 && section !== 'done') counts[section] = count
    }
    wrong.push(...(await this.#checkMeta()))
    if (wrong.length > 0) throw differences(wrong)
    await this.#database.run('update nitka.move set ended = clock_timestamp()')
    return counts
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  async #copySection(section: WholeSection, after: Buffer | undefined, from: Mark, told: Told): Promise<Mark> {
    let at = from
    await beside(pieces(this.#source, section, { after, digests: false }), async (piece) => {
      const before = at
      at = { section, position: piece.last.toString('hex') }
      await this.#put(section, piece, before, at)
      told(piece.size)
    })
    return at
  }

  async #put(section: WholeSection, piece: Piece<WholeSection>, before: Mark, after: Mark): Promise<void> {
    const marks = [before.section, before.position, after.section, after.position]
    const parameters = [...marks, piece.size, this.#source.epoch, ...piece.columns]
    const rows = await this.#database
      .run<{ moved: number }>(copyStatement(section), parameters)
      .catch((error: unknown) => {
        throw explained(error)
      })
    if (rows[0]?.moved !== 1)
      throw new NitkaError('conflict', 'another process goes on with this move: leave it to that one')
  }

  async #checkSection(section: WholeSection, wrong: string[], told: Told): Promise<number> {
    const statement = checkStatement(section, toldMax)
    let count = 0
    let found = 0
    await beside(pieces(this.#source, section, { after: undefined, digests: true }), async (piece) => {
      count += piece.size
      const rows = await this.#database.run<{ name: string; missing: boolean }>(statement, piece.columns)
      for (const { name, missing } of rows.slice(0, Math.max(0, toldMax - found))) {
        wrong.push(`${section} ${name} ${missing ? 'is missing' : 'is different'}`)
      }
      found += rows.length
      told(piece.size)
    })
    const [there] = await this.#database.run<{ count: number }>(countStatement(section))
    if (there?.count !== count) wrong.push(`${section}: ${count} in the store, ${there?.count ?? 0} in the database`)
    return count
  }

  async #checkMeta(): Promise<string[]> {
    const [meta] = await this.#database.run<{ epoch: string; generation: number; fence: number; uncounted: boolean }>(
      `select epoch, generation, fence, exists (
           (select queue, state, count(*) from nitka.tasks where state <> 3 group by queue, state)
           except (select queue, state, count from nitka.task_counts)
         ) as uncounted
         from nitka.meta`,
    )
    const { epoch, generation } = this.#source
    const wrong: string[] = []
    if (meta?.epoch !== epoch) wrong.push('the epoch is different')
    if (meta?.generation !== generation + 1 || meta.fence < (await this.#fence()))
      wrong.push('fencing numbers are behind')
    if (meta?.uncounted === true) wrong.push('tasks are not counted')
    return wrong
  }

  /** Of the next generation, so that even numbers that the store would still give are smaller. */
  async #fence(): Promise<number> {
    return Math.max(0, (await this.#source.nextToken()) - (this.#source.generation + 1) * 2 ** 32)
  }

  async #row(): Promise<MoveRow> {
    const [row] = await this.#database.run<MoveRow>(
      `select m.section, m.position, m.copied, m.ended is not null as ended, m.source, m.batch, m.settled,
              m.settled and c.beat > 0 as used
         from nitka.move m, nitka.task_clock c`,
    )
    if (row === undefined)
      throw new NitkaError('not-found', 'nothing was moved into this database: run it without --check')
    return row
  }
}

interface Mark {
  readonly section: string
  readonly position: string
}

/** Tables that are looked up in by later statements, by the section that fills them. */
const tablesOf: Partial<Record<WholeSection, string>> = {
  ...{ room: 'nitka.rooms', member: 'nitka.members', log: 'nitka.logs', entry: 'nitka.entries', sent: 'nitka.sent' },
  ...{ cursor: 'nitka.cursors', task: 'nitka.tasks', once: 'nitka.task_keys', pool: 'nitka.pool_records' },
}

async function* pieces<Section extends WholeSection>(
  source: MoveSource,
  section: Section,
  { after, digests }: { readonly after: Buffer | undefined; readonly digests: boolean },
): AsyncGenerator<Piece<Section>> {
  let piece = new Piece(section, digests)
  for await (const [at, record] of source.records(section, after)) {
    piece.add(at, record)
    if (!piece.full) continue
    yield piece
    piece = new Piece(section, digests)
  }
  if (piece.size > 0) yield piece
}

/** Works on one piece after the other; meanwhile the next one is read. */
async function beside<One>(all: AsyncGenerator<One>, work: (one: One) => Promise<void>): Promise<void> {
  let working: Promise<void> = Promise.resolve()
  for await (const one of all) {
    await working
    working = work(one)
    // Awaited with the next piece; until then it must not count as unhandled.
    working.catch(() => undefined)
  }
  await working
}

const anew = 'to begin anew: drop schema nitka cascade'

const refusals: Readonly<Record<string, string>> = {
  nodes: 'nodes use this database: stop them; one that was killed counts for a few seconds more',
  other: `another store is being moved into this database, or was: choose another database, or, ${anew}`,
  changed: `the store was written to since this move began, so what is copied is not what it holds; ${anew}`,
  unfinished: 'not all of the store is in this database: run it without --check, it goes on where it was',
  used: 'it was moved before, and nodes have worked on it since, so that it cannot be compared any more',
}

/** @throws NitkaError `conflict` unless the answer says that it may go on */
function refuse(answer: string): void {
  if (['begun', 'resumed', 'ended'].includes(answer)) return
  const filled = `the database is not empty: nitka.${answer} holds something that is not of this move; choose another database`
  throw new NitkaError('conflict', refusals[answer] ?? filled)
}

/** A row that is there already was not copied by this move. Whatever became of a piece, the next run knows it. */
function explained(error: unknown): unknown {
  if (!(error instanceof NitkaError)) return error
  const { code: state } = (error.cause ?? {}) as { code?: string }
  if (state === '23505') {
    return new NitkaError('conflict', `somebody else writes into this database; ${anew}`, { cause: error })
  }
  if (error.code !== 'unavailable') return error
  return new NitkaError('unavailable', `${error.message}: run it again, it goes on where it was`, { cause: error })
}

function differences(wrong: readonly string[]): NitkaError {
  const text = wrong.slice(0, 20).join('; ')
  return new NitkaError(
    'damaged',
    `the database does not hold what the store holds: ${text}; no node starts on it; ${anew}`,
  )
}

/** @throws NitkaError `unavailable` a store is being moved into the database: half of a past is not served */
export async function demandMoved(database: Database): Promise<void> {
  const [row] = await database.run('select from nitka.move where ended is null')
  if (row === undefined) return
  throw new NitkaError(
    'unavailable',
    'a store is being moved into this database, and not all of it is there: run nitka move again, it goes on where it was',
  )
}
