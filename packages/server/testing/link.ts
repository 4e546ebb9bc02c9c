// A line of TCP between a node and what it needs, which a test cuts as a network does: nothing is closed, nothing passes.
// What was sent meanwhile arrives when it is mended, if its connection is still there.

import { type AddressInfo, createServer, connect as open, type Server, type Socket } from 'node:net'

/** `out`: what the node sends is held back. `in`: what it is sent. */
export type Direction = 'out' | 'in'

interface Pair {
  readonly near: Socket
  readonly far: Socket
  /** Nothing passes any more, for ever. */
  stranded: boolean
}

export class Link {
  /** Connections that were made through it. */
  connections = 0
  readonly #server: Server
  #target: number
  readonly #pairs = new Set<Pair>()
  readonly #cut = new Set<Direction>()

  private constructor(port: number) {
    this.#target = port
    this.#server = createServer((near) => this.#join(near, this.#target))
  }

  /** Leads to a port of this machine; closed with the test. */
  static async start(t: { after(end: () => void): void }, port: number): Promise<Link> {
    const link = new Link(port)
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => link.#close())
    return link
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Nothing passes in these directions any more. */
  cut(...directions: readonly Direction[]): void {
    for (const direction of directions) this.#cut.add(direction)
    this.#apply()
  }

  /** Connections that are made from now on lead to another port. @param close what is there is closed */
  lead(port: number, close = true): void {
    this.#target = port
    if (!close) return
    for (const { near, far } of this.#pairs) {
      near.destroy()
      far.destroy()
    }
  }

  mend(): void {
    this.#cut.clear()
    this.#apply()
  }

  /** Nothing passes on the connections that are there, for ever, as when the machine behind them is gone; new ones are made. */
  strand(): void {
    for (const pair of this.#pairs) pair.stranded = true
    this.#apply()
  }

  #join(near: Socket, port: number): void {
    this.connections++
    const far = open(port, '127.0.0.1')
    const pair: Pair = { near, far, stranded: false }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true)
      from.on('error', () => undefined)
      from.on('data', (chunk: Buffer) => void to.write(chunk))
      // A connection that ends on one side ends on the other only when something passes.
      from.on('close', () => {
        if (this.#cut.size === 0 && !pair.stranded) to.destroy()
        if (near.destroyed && far.destroyed) this.#pairs.delete(pair)
      })
    }
    this.#apply()
  }

  #apply(): void {
    for (const { near, far, stranded } of this.#pairs) {
      if (stranded || this.#cut.has('out')) near.pause()
      else near.resume()
      if (stranded || this.#cut.has('in')) far.pause()
      else far.resume()
      if (stranded || this.#cut.size > 0) continue
      if (near.destroyed) far.destroy()
      if (far.destroyed) near.destroy()
    }
  }

  #close(): void {
    this.#server.close()
    for (const { near, far } of this.#pairs) {
      near.destroy()
      far.destroy()
    }
  }
}
