// A client of the TCP port on the simulated network: values, ended one way or the other.

import type { Line } from './network.ts'
import { ports } from './server-life.ts'
import type { Simulation } from './simulation.ts'

export type Ending = '\n' | '🦀'

export class TcpClient {
  readonly number: number
  readonly line: Line
  onMessage: ((value: Buffer) => void) | undefined
  onClosed: (() => void) | undefined
  heardAt: number
  readonly #ending: Buffer
  #rest: Buffer = Buffer.alloc(0)

  constructor(simulation: Simulation, ending: Ending) {
    this.number = simulation.next()
    this.#ending = Buffer.from(ending)
    this.heardAt = simulation.now
    this.line = simulation.network.connect(ports.tcp)
    this.line.onClosed = () => this.onClosed?.()
    this.line.onBytes = (bytes) => {
      this.heardAt = simulation.now
      this.#rest = Buffer.concat([this.#rest, bytes])
      for (let end = this.#rest.indexOf(this.#ending); end >= 0; end = this.#rest.indexOf(this.#ending)) {
        const value = this.#rest.subarray(0, end)
        this.#rest = this.#rest.subarray(end + this.#ending.length)
        this.onMessage?.(value)
      }
    }
  }

  get closed(): boolean {
    return this.line.closed
  }

  send(text: string): void {
    this.line.write(Buffer.concat([Buffer.from(text), this.#ending]))
  }

  /** Says goodbye, as TCP does. */
  close(): void {
    this.line.close()
  }
}
