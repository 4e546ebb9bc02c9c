// Postgres, as the stores of the cluster use it: one statement per operation, each with a deadline. A statement that was
// not answered in time, or whose connection was lost, has an unknown outcome, and says so: `unavailable`.

import { NitkaError } from '@nitka/protocol'
import postgres from 'postgres'
import { type Clock, sleep } from '../../world.ts'
import { postgresAccess } from './access.ts'
import { arrayTypes } from './arrays.ts'
import { codeOf, failureOf, isReadOnly, isUnsent } from './failures.ts'

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`, with `sslmode` and files as parameters. */
  readonly url: string
  readonly clock: Clock
  /** Connections. */
  readonly connectionsMax: number
  /** How long a statement may take. The server ends it then; half a second later nobody waits for it any more. */
  readonly statementMs: number
}

const graceMs = 500
/** Of the time of a statement, for waiting for what is locked. */
const lockShare = 0.8
/** Between two attempts to send a statement. */
const againMs = 100
/** How long a statement waits for a database that takes no connections: about what a restart takes. */
const awayMsMax = 5_000
const connectSeconds = 5

/** States in which nothing of a statement was done: a deadlock, a conflict of transactions. */
const undone: ReadonlySet<string> = new Set(['40P01', '40001'])
const undoneMax = 3

type Parameter =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly (string | number | boolean | null | Uint8Array)[]

type Connections = postgres.Sql<{ int8: number }>

function connectionsTo(options: DatabaseOptions): Connections {
  const { connectionsMax, statementMs } = options
  const { url, ssl } = postgresAccess(options.url)
  return postgres(url, {
    ssl,
    max: connectionsMax,
    connect_timeout: connectSeconds,
    fetch_types: false,
    // Offsets and times are safe integers.
    types: { int8: { to: 20, from: [20], serialize: String, parse: Number }, ...arrayTypes },
    connection: {
      application_name: 'nitka',
      statement_timeout: statementMs,
      // Sooner: what only waited was not done, and says so.
      lock_timeout: Math.ceil(statementMs * lockShare),
    },
    backoff: (attempt) => Math.min(2, 0.05 * 2 ** attempt),
    onnotice: () => undefined,
  }) as never
}

export class Database {
  /** Statements that failed, by whatever reason. */
  failures = 0
  /** Why it does not answer, as far as the last statement knows; undefined: it does. */
  trouble: string | undefined
  /** Times that all connections were given up. */
  renewed = 0
  readonly #options: DatabaseOptions
  readonly #deadlineMs: number
  #sql: Connections
  /** Answers that came, of all connections that there were. */
  #heard = 0
  /** When these connections were made. Monotonic. */
  #madeAt: number
  #closed = false

  constructor(options: DatabaseOptions) {
    this.#options = options
    this.#deadlineMs = options.statementMs + graceMs
    this.#sql = connectionsTo(options)
    this.#madeAt = options.clock.monotonic()
  }

  /**
   * Runs one statement. One that the server undid because of what ran beside it is run again, and one that could not be sent
   * waits for the database for as long as a statement may take, 5 s at most.
   * @param text with `$1`, `$2` … It is prepared once per connection, so it must not be put together from values
   * @throws NitkaError `unavailable` when the outcome is unknown, or the database does not answer; what its functions refuse
   */
  async run<Row extends object>(text: string, parameters: readonly Parameter[] = []): Promise<readonly Row[]> {
    const { clock } = this.#options
    const begunAt = clock.monotonic()
    for (let again = 0; ; again++) {
      try {
        return await this.#once<Row>(text, parameters)
      } catch (thrown) {
        if (again < undoneMax && undone.has(codeOf(thrown))) continue
        const failed = this.#translated(thrown)
        // Connections are made anew, to whoever answers at the address by now.
        if (isReadOnly(thrown)) this.#giveUp()
        if (!isUnsent(thrown) || clock.monotonic() - begunAt >= Math.min(this.#options.statementMs, awayMsMax))
          throw failed
        await sleep(clock, againMs)
      }
    }
  }

  async #once<Row extends object>(text: string, parameters: readonly Parameter[]): Promise<readonly Row[]> {
    const sql = this.#sql
    const { clock } = this.#options
    const heard = (): void => {
      if (sql === this.#sql) this.#heard++
    }
    const heardBefore = this.#heard
    const query = sql.unsafe<Row[]>(text, parameters as never[], { prepare: true })
    query.then(heard, heard)
    const late = Promise.withResolvers<never>()
    const timer = clock.after(this.#deadlineMs, () => {
      late.reject(new NitkaError('unavailable', 'the database did not answer in time; whether it was done is unknown'))
      if (sql === this.#sql && this.#heard === heardBefore) this.#giveUp()
    })
    try {
      const rows = await Promise.race([query, late.promise])
      this.trouble = undefined
      // A plain array: what the library adds is not for those who keep it. After a statement that failed when it had given
      // rows already, the library leaves as many places at the beginning of the next one's empty.
      return Array.from(rows).filter((row) => row !== undefined)
    } finally {
      // What is answered after all is nobody's any more.
      timer.cancel()
    }
  }

  /**
   * Gives all connections up and makes new ones. Also when nothing was heard on them in all the time that a statement has: a server
   * that is there ends a statement before. Its machine or the way there is gone, and the kernel would find out in a quarter of an
   * hour, while another server may be there by now.
   */
  #giveUp(): void {
    const now = this.#options.clock.monotonic()
    if (this.#closed || now - this.#madeAt < againMs) return
    const sql = this.#sql
    this.#sql = connectionsTo(this.#options)
    this.#madeAt = now
    this.renewed++
    sql.end({ timeout: graceMs / 1_000 }).catch(() => undefined)
  }

  /** Runs a script of several statements, each for itself. */
  async script(text: string): Promise<void> {
    // At once, so that on one connection what is asked first is sent first.
    await this.#sql.unsafe(text).simple().execute()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#sql.end({ timeout: 2 })
  }

  #translated(thrown: unknown): NitkaError {
    const { error, trouble, refused } = failureOf(thrown)
    if (!refused) this.failures++
    if (trouble !== undefined) this.trouble = trouble
    return error
  }
}
