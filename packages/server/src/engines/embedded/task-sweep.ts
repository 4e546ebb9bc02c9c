// Forgets tasks that were done some time ago, in the background, a list at a time: what one batch settled, one batch forgets.

import type { Clock } from '../../world.ts'
import { Rounds } from '../rounds.ts'
import type { Committer } from './committer.ts'
import type { Draft, Operation } from './draft.ts'
import { key, ordered, spaces } from './keys.ts'
import type { Reader } from './reader.ts'
import { statusKey, taskKey } from './task-records.ts'

const everyMs = 10_000
const idLength = 20

export class TaskSweep {
  readonly #committer: Committer
  readonly #reader: Reader
  readonly #clock: Clock
  readonly #doneMs: number
  readonly #rounds: Rounds

  /** @param doneMs how long a done task is kept */
  constructor(committer: Committer, reader: Reader, clock: Clock, doneMs: number) {
    this.#committer = committer
    this.#reader = reader
    this.#clock = clock
    this.#doneMs = doneMs
    this.#rounds = new Rounds(clock, everyMs, () => this.#round())
  }

  /** One round, the one that runs already if there is one. */
  run(): Promise<void> {
    return this.#rounds.run()
  }

  /** Ends after the list under way. */
  close(): Promise<void> {
    return this.#rounds.close()
  }

  async #round(): Promise<void> {
    const end = this.#clock.now() - this.#doneMs
    while (end > 0 && !this.#rounds.closed) {
      const list = await this.#reader.view(async (view) => {
        const [row] = await view.rows({ from: spaces.done, to: key(spaces.done, ordered(end)), limit: 1 })
        // A damaged list leaves its tasks behind, done as they are.
        return row && { at: row[0], ids: idsOf(view.opened(...row) ?? Buffer.alloc(0)) }
      })
      if (list === undefined) return
      await this.#committer.submit(new ForgetOperation(list))
    }
  }
}

function idsOf(body: Buffer): readonly string[] {
  const text = body.toString('latin1')
  return Array.from({ length: text.length / idLength }, (_, i) => text.slice(i * idLength, (i + 1) * idLength))
}

class ForgetOperation implements Operation<void> {
  readonly bytes: number
  readonly essential = true
  readonly #list: { readonly at: Buffer; readonly ids: readonly string[] }

  constructor(list: { readonly at: Buffer; readonly ids: readonly string[] }) {
    this.#list = list
    this.bytes = list.ids.length * 60
  }

  ask(): void {
    // Done is final: nothing can have changed.
  }

  plan(draft: Draft): void {
    draft.deleteKey(this.#list.at)
    for (const id of this.#list.ids) {
      draft.deleteKey(taskKey(id))
      draft.deleteKey(statusKey(id))
    }
  }
}
