// Traffic over the nodes of a cluster, and the judge of it: writers and listeners of several logs, read back at the end over a
// node that took no part.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { eventually } from './eventually.ts'
import { Listener } from './listener.ts'
import type { NodeProcess } from './node-process.ts'
import { ask } from './server.ts'
import { type Target, Writer } from './writer.ts'

/** Everything must go on so long after a fault, on a machine that does other things too. */
const livenessMs = 90_000

interface Stored {
  readonly offset: number
  readonly id: string
  readonly sender: string
  readonly message: number
  readonly clientId?: string
}

export class Traffic {
  readonly writers: readonly Writer[]
  readonly listeners: readonly Listener[]

  private constructor(writers: readonly Writer[], listeners: readonly Listener[]) {
    this.writers = writers
    this.listeners = listeners
  }

  /**
   * Four writers to each of two rooms and an inbox, and a listener of each on every node. Ended with the test. The first room is
   * written to through the first node alone, and the second one through the others: what the bus loses nobody there can notice
   * by what they write themselves.
   */
  static async start(t: TestContext, nodes: readonly NodeProcess[]): Promise<Traffic> {
    const [first, ...others] = nodes as [NodeProcess, ...NodeProcess[]]
    const targets: Target[] = [
      { kind: 'room', id: 'tea' },
      { kind: 'room', id: 'coffee' },
      { kind: 'user', id: 'inbox' },
    ]
    for (const { kind, id } of targets) {
      if (kind === 'room') await ask(first.url, 'POST', '/rooms?user=maker', { id, name: id, open: true })
    }
    const listeners = await Promise.all(
      targets.flatMap((target) =>
        nodes.map((node, i) => Listener.start(target, target.kind === 'user' ? target.id : `listener-${i}`, node)),
      ),
    )
    const names = ['ann', 'bert', 'carl', 'dora']
    for (const { kind, id } of targets) {
      if (kind === 'room') {
        for (const user of names) await ask(first.url, 'POST', `/rooms/${id}/members?user=maker`, { user })
      }
    }
    const ways = [[first], others, nodes]
    const writers = targets.flatMap((target, i) =>
      names.map((name, j) => new Writer(name, target, ways[i] ?? nodes, j)),
    )
    t.after(async () => {
      for (const listener of listeners) listener.end()
      await Promise.all(writers.map((writer) => writer.abandon()))
    })
    return new Traffic(writers, listeners)
  }

  /** Resolves when what every writer sends from now on is confirmed, and heard by every listener. Gives how long it took. */
  async goesOn(after: string): Promise<number> {
    const start = performance.now()
    const before = new Map(this.writers.map((writer) => [writer, writer.confirmed.size]))
    const moved = (): boolean => this.writers.every((writer) => writer.confirmed.size >= (before.get(writer) ?? 0) + 3)
    await eventually(moved, `writers to go on after: ${after}`, livenessMs)
    const counts = this.listeners.map(({ target }) => this.#confirmed(target))
    const caughtUp = (): boolean => this.listeners.every(({ head }, i) => head >= (counts[i] ?? 0))
    await eventually(caughtUp, `listeners to catch up after: ${after}`, livenessMs)
    return Math.round(performance.now() - start)
  }

  /** Ends the writers and judges everything. @param fresh a node that took no part */
  async judge(fresh: NodeProcess): Promise<void> {
    await Promise.all(this.writers.map((writer) => writer.end()))
    for (const { name, violations } of this.writers) assert.deepEqual(violations, [], name)
    const logs = new Map<string, readonly Stored[]>()
    for (const { target } of this.writers) {
      if (!logs.has(target.id)) logs.set(target.id, await readAll(fresh.url, target))
    }
    for (const writer of this.writers) assertKept(writer, logs.get(writer.target.id) ?? [])
    for (const [id, stored] of logs) {
      const confirmed = this.#confirmed({ id })
      assert.equal(stored.length, confirmed, `${id} has what was confirmed, and nothing else`)
      const wanted = Array.from(stored, (_, i) => i + 1)
      assert.deepEqual(
        Array.from(stored, ({ offset }) => offset),
        wanted,
        `${id}: offsets without a gap`,
      )
    }
    for (const { target, user, heard, violations } of this.listeners) {
      const stored = logs.get(target.id) ?? []
      const all = (): boolean => heard.length >= stored.length
      await eventually(all, `${user} to hear all of ${target.id}`, livenessMs)
      assert.deepEqual(violations, [], `${user} of ${target.id}`)
      assert.deepEqual(
        heard,
        stored.map(({ offset, id }) => ({ offset, id })),
        `${user} of ${target.id}`,
      )
    }
  }

  /** For people. */
  summary(): string {
    const sum = (of: (writer: Writer) => number): number => this.writers.reduce((all, one) => all + of(one), 0)
    const confirmed = sum((writer) => writer.confirmed.size)
    const attempts = `${sum(({ unknown }) => unknown)} unanswered, ${sum(({ refused }) => refused)} refused`
    const repeated = sum((writer) => writer.repeated)
    const reconnects = this.listeners.reduce((all, one) => all + one.reconnects, 0)
    const latest = Math.max(...this.listeners.map((one) => one.latest))
    return `${confirmed} messages, ${attempts}, ${repeated} repeats, ${reconnects} reconnects, at most ${latest} ms late`
  }

  #confirmed({ id }: { readonly id: string }): number {
    return this.writers.reduce((all, { target, confirmed }) => all + (target.id === id ? confirmed.size : 0), 0)
  }
}

/** What a writer was told is what is stored, in its order. */
function assertKept({ name, target, confirmed }: Writer, log: readonly Stored[]): void {
  const mine = log.filter(({ sender }) => sender === name)
  mine.forEach(({ id, offset, message }, n) => {
    const clientId = `${name}-${n}`
    assert.equal(message, n, `${clientId} of ${target.id}: once, and in order`)
    const told = confirmed.get(clientId)
    assert.equal(told?.id, id, `${clientId} of ${target.id} has the id that was confirmed`)
    assert.equal(told?.offset ?? offset, offset, `${clientId} of ${target.id} has the offset that was confirmed`)
  })
  assert.equal(mine.length, confirmed.size, `${name} in ${target.id}: nothing lost, nothing more`)
}

async function readAll(url: string, { kind, id }: Target): Promise<readonly Stored[]> {
  const path = kind === 'room' ? `/rooms/${id}/messages?user=ann` : `/ws/history?user=${id}`
  const stored: Stored[] = []
  for (let after = 0; ; ) {
    const { status, body } = await ask(url, 'GET', `${path}&limit=500&after=${after}`)
    assert.equal(status, 200, JSON.stringify(body))
    for (const { from, fromUser, ...entry } of body.messages) stored.push({ ...entry, sender: from ?? fromUser })
    if (body.next === null) return stored
    after = body.next
  }
}
