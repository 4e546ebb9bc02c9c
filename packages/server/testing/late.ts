// Parts of the server whose answers come when the test says so, to hold a moment open that is else too short to meet.

import { openEmbedded } from '../src/engines/embedded/engine.ts'
import type { Engine } from '../src/engines/engine.ts'
import type { LogStore } from '../src/log/log-store.ts'
import type { ServerTools } from '../src/server.ts'
import { eventually } from './eventually.ts'

/** The same object with some members of its own. */
export function replacing<Whole extends object>(whole: Whole, parts: Partial<Whole>): Whole {
  return new Proxy(whole, {
    get(target, name) {
      if (Object.hasOwn(parts, name)) return Reflect.get(parts, name)
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  })
}

/** Answers that were found and are kept back. */
export class Held {
  #holding = false
  #waiting: (() => void)[] = []

  /** From now on answers are kept back. */
  hold(): void {
    this.#holding = true
  }

  /** Lets go what was kept back, and what comes. */
  release(): void {
    this.#holding = false
    for (const go of this.#waiting.splice(0)) go()
  }

  /** Resolves once an answer is kept back. */
  async holds(): Promise<void> {
    await eventually(() => this.#waiting.length > 0, 'an answer to be kept back')
  }

  async pass<Value>(value: Value): Promise<Value> {
    if (this.#holding) await new Promise<void>((go) => this.#waiting.push(go))
    return value
  }
}

export interface Late {
  readonly store: LogStore
  /** Pages. */
  readonly pages: Held
  readonly cursors: Held
}

export function lateStore(store: LogStore): Late {
  const pages = new Held()
  const cursors = new Held()
  const late = replacing(store, {
    read: async (log, range) => pages.pass(await store.read(log, range)),
    cursors: async (log, prefix) => cursors.pass(await store.cursors(log, prefix)),
  })
  return { store: late, pages, cursors }
}

/** Tools for a server on the embedded store, changed by `change`. */
export function changedEngine(change: (engine: Engine) => Partial<Engine>): ServerTools {
  return {
    async openEngine(config, world) {
      const engine = await openEmbedded({ dataDir: config.data, world, reserveBytes: 0 })
      return replacing<Engine>(engine, change(engine))
    },
  }
}
