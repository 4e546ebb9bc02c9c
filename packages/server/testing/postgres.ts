// A Postgres of a test's own: on a free port, in a folder of its own, to be killed, stopped and started again.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, globSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

const programs = globSync('/usr/lib/postgresql/*/bin').sort().at(-1) ?? ''

/** Why a test with Postgres cannot run here; undefined when it can, or when it must. */
export function noPostgres(): string | undefined {
  if (existsSync(join(programs, 'initdb')) || process.env.CI !== undefined) return undefined
  return "there is no Postgres in /usr/lib/postgresql; install Debian's package postgresql"
}

/** Postgres does not run as root: then it runs as the user that its package made. */
function owner(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres']).toString())
  return { uid: id('-u'), gid: id('-g') }
}

/** A test, or a file of tests. */
export interface Ends {
  after(end: () => Promise<void>): void
}

export class TestPostgres {
  readonly port: number
  readonly #folder: string
  readonly #settings: readonly string[]
  #child: ChildProcess | undefined
  #databases = 0

  private constructor(port: number, folder: string, settings: readonly string[]) {
    this.port = port
    this.#folder = folder
    this.#settings = settings
  }

  /**
   * Starts one; stopped and removed with the test, or the file.
   * @param settings `fsync=on`, say: by default nothing is synced, because tests kill processes, not machines
   * @param prepare puts files into its folder before it starts
   */
  static async start(
    t: Ends,
    settings: readonly string[] = ['fsync=off'],
    prepare: (data: string) => void = () => undefined,
  ): Promise<TestPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'nitka-postgres-'))
    const { uid, gid } = owner()
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
    const data = join(folder, 'data')
    const arguments_ = ['-D', data, '-U', 'nitka', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    execFileSync(join(programs, 'initdb'), arguments_, { stdio: 'ignore', cwd: folder, ...owner() })
    prepare(data)
    for (const name of readdirSync(data)) {
      if (uid !== undefined && gid !== undefined) chownSync(join(data, name), uid, gid)
    }
    const own = new TestPostgres(await freePort(), folder, settings)
    t.after(async () => {
      await own.kill()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    await own.start()
    return own
  }

  /**
   * An asynchronous standby of this one; stopped and removed with the test.
   * @param port by which it follows: of a link, say, that is cut so that the end is lost
   */
  async standby(t: Ends, port: number): Promise<TestPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'nitka-postgres-'))
    const { uid, gid } = owner()
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
    const from = `host=127.0.0.1 port=${port} user=nitka`
    const arguments_ = ['-d', from, '-D', join(folder, 'data'), '-R', '-X', 'stream', '-c', 'fast', '--no-sync']
    await promisify(execFile)(join(programs, 'pg_basebackup'), arguments_, { cwd: folder, ...owner() })
    const own = new TestPostgres(await freePort(), folder, this.#settings)
    t.after(async () => {
      await own.kill()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    await own.start()
    return own
  }

  /** A standby becomes a server of its own, with what it has. Resolves when it takes writes. */
  async promote(): Promise<void> {
    const arguments_ = ['promote', '-D', join(this.#folder, 'data'), '-w']
    execFileSync(join(programs, 'pg_ctl'), arguments_, { stdio: 'ignore', cwd: this.#folder, ...owner() })
  }

  /** Runs a statement as whoever may do everything. */
  async administer(text: string): Promise<readonly object[]> {
    const sql = this.#admin(30)
    try {
      return Array.from(await sql.unsafe(text))
    } finally {
      await sql.end({ timeout: 1 })
    }
  }

  /** The address of a new, empty database. */
  async database(): Promise<string> {
    const name = `test${++this.#databases}`
    const sql = this.#admin(30)
    try {
      await sql.unsafe(`create database ${name} template template0`)
    } finally {
      await sql.end({ timeout: 1 })
    }
    return `postgres://nitka@127.0.0.1:${this.port}/${name}`
  }

  /** Starts it again. Resolves when it answers. */
  async start(): Promise<void> {
    const settings = [`port=${this.port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${this.#folder}`]
    const flags = [...settings, ...this.#settings].flatMap((setting) => ['-c', setting])
    this.#child = spawn(join(programs, 'postgres'), ['-D', join(this.#folder, 'data'), ...flags], {
      stdio: 'ignore',
      cwd: this.#folder,
      ...owner(),
    })
    await eventually(() => this.#answers(), 'Postgres answers')
  }

  /** As a crash: the next start recovers. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
    // Its processes notice, and end by themselves; until then the port is theirs.
    await eventually(async () => !(await this.#answers()), 'Postgres is gone')
    rmSync(join(this.#folder, 'data/postmaster.pid'), { force: true })
  }

  /** A restart as an operator does it: connections are ended. */
  async stop(): Promise<void> {
    await this.#end('SIGINT')
  }

  /** Nothing is answered until `resume`. */
  pause(): void {
    this.#each('SIGSTOP')
  }

  resume(): void {
    this.#each('SIGCONT')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    this.#each('SIGCONT')
    child.kill(signal)
    await ended
  }

  #each(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid
    if (pid === undefined) return
    let children: number[] = []
    try {
      children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)])
        .toString()
        .trim()
        .split(/\s+/)
        .map(Number)
    } catch {
      // It has none, or is gone.
    }
    for (const one of [pid, ...children]) {
      try {
        process.kill(one, signal)
      } catch {
        // It has ended.
      }
    }
  }

  async #answers(): Promise<boolean> {
    const sql = this.#admin(2)
    try {
      await sql`select 1`
      return true
    } catch {
      return false
    } finally {
      await sql.end({ timeout: 1 }).catch(() => undefined)
    }
  }

  #admin(connectSeconds: number): postgres.Sql {
    return postgres(`postgres://nitka@127.0.0.1:${this.port}/postgres`, {
      max: 1,
      connect_timeout: connectSeconds,
      onnotice: () => undefined,
      backoff: () => 3_600,
    })
  }
}
