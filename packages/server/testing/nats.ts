// A NATS server of a test's own: on a free port, to be killed, stopped and started again.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import type { Ends } from './postgres.ts'

const program = ['/usr/sbin/nats-server', '/usr/bin/nats-server', '/usr/local/bin/nats-server'].find((path) =>
  existsSync(path),
)

/** Why a test with NATS cannot run here; undefined when it can, or when it must. */
export function noNats(): string | undefined {
  if (program !== undefined || process.env.CI !== undefined) return undefined
  return "there is no nats-server; install Debian's package nats-server"
}

export class TestNats {
  readonly port: number
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
  }

  /** Starts one; stopped with the test, or the file. */
  static async start(t: Ends): Promise<TestNats> {
    const nats = new TestNats(await freePort())
    t.after(() => nats.kill())
    await nats.start()
    return nats
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** @param flags of its command line, besides where it listens */
  async start(flags: readonly string[] = []): Promise<void> {
    const where = ['-a', '127.0.0.1', '-p', String(this.port)]
    this.#child = spawn(program ?? 'nats-server', [...where, ...flags], { stdio: 'ignore' })
    await eventually(() => this.#answers(), 'NATS answers')
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1')
      const done = (answer: boolean) => (): void => {
        socket.destroy()
        resolve(answer)
      }
      socket.once('data', done(true))
      socket.once('error', done(false))
    })
  }
}
