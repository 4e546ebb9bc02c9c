// A server process with several lives on the same ports, and a watch over its ends: one that the test did not want is a fault.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import type { TestCluster } from './cluster.ts'
import { freePort } from './free-port.ts'
import { type ServerProcess, startProcess } from './process.ts'
import { temporaryFolder } from './server.ts'

export interface NodeWishes {
  /** More flags. */
  readonly flags?: readonly string[]
  /** Other addresses than the cluster's own: of links that can be cut. */
  readonly postgresUrl?: string
  readonly natsUrl?: string
}

export class NodeProcess {
  /** What it said on standard error, in all lives; nothing is expected. */
  errors = ''
  readonly #t: TestContext
  readonly #data: string
  readonly #flags: readonly string[]
  readonly #ports: { http: number; tcp: number }
  /** What ended without the test's doing. */
  readonly #unwanted: string[] = []
  #process: ServerProcess
  #up = true
  #paused = false

  private constructor(t: TestContext, data: string, flags: readonly string[], process: ServerProcess) {
    this.#t = t
    this.#data = data
    this.#flags = flags
    this.#process = process
    const tcp = Number(/over TCP at \S+:(\d+)/.exec(process.output())?.[1])
    this.#ports = { http: Number(new URL(process.url).port), tcp }
    this.#watch(process)
  }

  /** Starts a server on free ports, with a folder of its own. Killed with the test. */
  static async start(t: TestContext, flags: readonly string[] = []): Promise<NodeProcess> {
    const data = await temporaryFolder(t)
    // Nobody takes them while it is away.
    const own = ['--port', String(await freePort()), '--socket-port', String(await freePort())]
    return new NodeProcess(t, data, flags, await startProcess(t, data, [...own, ...flags]))
  }

  /** As `start`, as a node of a cluster. */
  static of(t: TestContext, cluster: TestCluster, { flags = [], ...wishes }: NodeWishes = {}): Promise<NodeProcess> {
    const { postgresUrl = cluster.url, natsUrl = cluster.nats.url } = wishes
    return NodeProcess.start(t, ['--postgres-url', postgresUrl, '--nats-url', natsUrl, ...flags])
  }

  get url(): string {
    return `http://127.0.0.1:${this.#ports.http}`
  }

  get ports(): { readonly http: number; readonly tcp: number } {
    return this.#ports
  }

  /** Whether it takes connections and answers. */
  get up(): boolean {
    return this.#up && !this.#paused
  }

  /** Bytes of memory that are its own; 0 when it is not there. */
  get memory(): number {
    const path = `/proc/${this.#process.child.pid}/status`
    if (!existsSync(path)) return 0
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0) * 1_024
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    this.#up = false
    await this.#process.kill()
  }

  /** SIGTERM, and waits for the end, which must be a good one. */
  async stop(): Promise<void> {
    this.#up = false
    this.#process.child.kill('SIGTERM')
    assert.equal(await this.#process.exited, 0, `SIGTERM: ${this.#process.errors()}`)
  }

  /** Another life. Resolves when it takes connections. */
  async start(): Promise<void> {
    const { http, tcp } = this.#ports
    const same = ['--port', String(http), '--socket-port', String(tcp)]
    this.#process = await startProcess(this.#t, this.#data, [...same, ...this.#flags])
    this.#watch(this.#process)
    this.#up = true
  }

  /** SIGSTOP: its connections stay, and nothing is answered. */
  pause(): void {
    this.#paused = true
    this.#process.child.kill('SIGSTOP')
  }

  resume(): void {
    this.#paused = false
    this.#process.child.kill('SIGCONT')
  }

  /** That it has ended only when the test ended it, and had nothing to complain of. */
  assertWell(): void {
    assert.deepEqual(this.#unwanted, [], 'it ended by itself')
    const told = (this.errors + this.#process.errors()).split('\n')
    assert.deepEqual(
      told.filter((line) => line !== '' && !line.startsWith('nitka: SIGTERM, draining')),
      [],
      'it complained',
    )
  }

  #watch(process: ServerProcess): void {
    void process.exited.then((code) => {
      this.errors += process.errors()
      if (this.#up) this.#unwanted.push(`code ${code}: ${process.errors()}`)
    })
  }
}
