// A writer that is never sure of anything: it sends one numbered message after the other over HTTP, each under an id of its own,
// to one node after the other, and repeats it under that id until one of them has confirmed it.

import type { NodeProcess } from './node-process.ts'

/** Where a writer writes. */
export interface Target {
  /** Of the log: how it is read back. */
  readonly kind: 'room' | 'user'
  readonly id: string
}

/** What was confirmed, by client id. */
export interface Confirmed {
  readonly id: string
  /** Direct messages are confirmed without it. */
  readonly offset: number | undefined
}

/** How long a node has to answer before the next one is asked. */
const patienceMs = 6_000
const pauseMs = 5

/** Refusals that may pass. */
const passing: ReadonlySet<number> = new Set([429, 503])

export class Writer {
  readonly name: string
  readonly target: Target
  readonly confirmed = new Map<string, Confirmed>()
  /** Attempts without an answer. */
  unknown = 0
  /** Attempts that were refused for now. */
  refused = 0
  /** Confirmations of what an earlier attempt had stored. */
  repeated = 0
  /** Answers that no fault explains. */
  readonly violations: string[] = []
  readonly #nodes: readonly NodeProcess[]
  #turn: number
  #over = false
  #abandoned = false
  readonly #running: Promise<void>

  /** Begins at once. @param turn which node is asked first */
  constructor(name: string, target: Target, nodes: readonly NodeProcess[], turn: number) {
    this.name = name
    this.target = target
    this.#nodes = nodes
    this.#turn = turn
    this.#running = this.#run()
  }

  /** Resolves when what is under way is confirmed; no more follows. */
  async end(): Promise<void> {
    this.#over = true
    await this.#running
  }

  /** Ends at once: what is under way stays unsettled. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    await this.end()
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#over; n++) {
      const clientId = `${this.name}-${n}`
      while (!this.#abandoned && !(await this.#attempt(clientId, n))) await pause(20)
      await pause(pauseMs)
    }
  }

  /** True: it is settled. */
  async #attempt(clientId: string, n: number): Promise<boolean> {
    const node = this.#nodes[this.#turn++ % this.#nodes.length]
    let response: Response
    let text: string
    try {
      response = await fetch(node?.url + this.#path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(this.#body(clientId, n)),
        signal: AbortSignal.timeout(patienceMs),
      })
      text = await response.text()
    } catch {
      this.unknown++
      return false
    }
    if (passing.has(response.status)) {
      this.refused++
      if (/secret|postgres:/.test(text)) this.violations.push(`it tells too much: ${text}`)
      return false
    }
    if (!response.ok) {
      this.violations.push(`${clientId}: ${response.status} ${text}`)
      return true
    }
    if (response.status === 200) this.repeated++
    const { id, offset } = JSON.parse(text)
    this.confirmed.set(clientId, { id, offset })
    return true
  }

  get #path(): string {
    const { kind, id } = this.target
    return kind === 'room' ? `/rooms/${id}/messages?user=${this.name}` : '/messages/user'
  }

  #body(clientId: string, n: number): object {
    const { kind, id } = this.target
    if (kind === 'room') return { message: n, clientId }
    return { fromUser: this.name, toUser: id, message: n, id: clientId }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
