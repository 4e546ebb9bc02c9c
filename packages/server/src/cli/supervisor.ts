// Child processes that are started again whenever they exit, and that never outlive their parent.

import { type ChildProcess, spawn } from 'node:child_process'
import type { Timer, World } from '../world.ts'

/** The wait before a restart, milliseconds: the first one, and the longest, when a process keeps dying young. */
const restartMs = 250
const restartMaxMs = 10_000
/** Who lived so long did not die of its start. A worker whose first task is its last lives longer. */
const healthyMs = 1_000
const graceMs = 3_000

/** How a process of ours ended that was not asked to. */
export interface Death {
  /** 1 to n. */
  readonly number: number
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it wrote. */
  readonly lastWords: string
}

export interface Supervised {
  /** How many processes there are. */
  readonly count: number
  /** Arguments of this process's own Node. The process must end when its standard input does. */
  readonly args: readonly string[]
  readonly died: (death: Death) => void
  /** Told what they write. */
  readonly said?: (text: string, stream: 'stdout' | 'stderr') => void
  /** How long a process may take to end after SIGTERM. Default 3 s. */
  readonly graceMs?: number
}

/** What is kept of a process's output, to say why it died. Characters. */
const lastWordsMax = 4_096

export class Supervisor {
  readonly #world: World
  readonly #wishes: Supervised
  readonly #children = new Map<ChildProcess, Promise<void>>()
  readonly #restarts = new Set<Timer>()
  #stopped = false

  /** Starts the processes. */
  constructor(wishes: Supervised, world: World) {
    this.#wishes = wishes
    this.#world = world
    for (let number = 1; number <= wishes.count; number++) this.#start(number, 0)
  }

  /** Process ids of those that run. */
  get pids(): readonly number[] {
    return [...this.#children.keys()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
  }

  /** Ends them: by the signal, and SIGKILL for whoever is there after the grace. Resolves when all are gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#stopped = true
    for (const timer of this.#restarts) timer.cancel()
    this.#restarts.clear()
    for (const child of this.#children.keys()) child.kill(signal)
    const late = this.#world.clock.after(this.#wishes.graceMs ?? graceMs, () => {
      for (const child of this.#children.keys()) child.kill('SIGKILL')
    })
    await Promise.all(this.#children.values())
    late.cancel()
  }

  #start(number: number, failures: number): void {
    // A group of its own: Ctrl-C at a terminal reaches the parent alone, which then ends its children in order. The pipe
    // on standard input is what tells a child that its parent is gone, however that happened.
    const child = spawn(process.execPath, this.#wishes.args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    const began = this.#world.clock.monotonic()
    const said: { text: string } = { text: '' }
    child.stdin?.on('error', ignore)
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        said.text = (said.text + text).slice(-lastWordsMax)
        this.#wishes.said?.(text, stream)
      })
    }
    const gone = new Promise<void>((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (!this.#children.delete(child)) return
        resolve()
        if (this.#stopped) return
        const young = this.#world.clock.monotonic() - began < healthyMs
        this.#later(number, young ? failures + 1 : 0)
        this.#wishes.died({ number, code, signal, lastWords: said.text })
      }
      child.on('close', end)
      child.on('error', (error) => {
        said.text += `${error.message}\n`
        end(null, null)
      })
    })
    this.#children.set(child, gone)
  }

  #later(number: number, failures: number): void {
    const most = Math.min(restartMaxMs, restartMs * 2 ** Math.min(failures, 10))
    const timer = this.#world.clock.after((most / 2) * (1 + this.#world.random.fraction()), () => {
      this.#restarts.delete(timer)
      this.#start(number, failures)
    })
    this.#restarts.add(timer)
  }
}

/** For the child: a parent that was killed cannot end it, but its end of the pipe is closed all the same. */
export function endWithParent(): void {
  const end = (): never => process.exit(1)
  process.stdin.on('end', end).on('error', end).resume()
}

function ignore(): void {
  // It ended before it read.
}
