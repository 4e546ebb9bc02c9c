// A room's log as a server keeps it, for a fake server to serve.

import type { Missing } from '@nitka/protocol'
import type { RoomMessage } from '../src/answers.ts'
import type { FakeServer, FakeWire } from './fake-wire.ts'

/** A room `tea` with a past, whose joins and history are answered as the real server does. */
export class FakeLog {
  readonly entries: RoomMessage<number>[] = []
  readonly missing: Missing[] = []
  epoch = 'e1'
  presence: string[] = ['ann']
  /** Entries that one join, or one page, brings at most. */
  pageMax = 200

  /** @param past how many entries there are */
  constructor(server: FakeServer, past = 0) {
    for (let i = 0; i < past; i++) this.add()
    server.on('rooms.join', (params) => this.joined(params.since))
    server.on('rooms.history', (params) => this.history(params))
  }

  get head(): number {
    return Math.max(this.entries.at(-1)?.offset ?? 0, ...this.missing.map(({ to }) => to))
  }

  /** A new entry. Its message is its offset. */
  add(): RoomMessage<number> {
    const offset = this.head + 1
    const entry = { offset, id: `m${offset}`, room: 'tea', from: 'bert', message: offset, time: '' }
    this.entries.push(entry)
    return entry
  }

  /** Adds and tells it. */
  tell(wire: FakeWire): void {
    wire.notify('rooms.message', this.add())
  }

  /** Loses offsets. */
  lose(from: number, to: number, reason: Missing['reason'] = 'damaged'): Missing {
    const range = { from, to, reason }
    this.missing.push(range)
    const left = this.entries.filter(({ offset }) => offset < from || offset > to)
    this.entries.splice(0, this.entries.length, ...left)
    return range
  }

  after(offset: number): RoomMessage<number>[] {
    return this.entries.filter((entry) => entry.offset > offset)
  }

  missingAfter(offset: number): Missing[] {
    return this.missing
      .filter(({ to }) => to > offset)
      .map((range) => ({ ...range, from: Math.max(range.from, offset + 1) }))
      .sort((a, b) => a.from - b.from)
  }

  joined(since: { epoch?: string; offset: number } | undefined): object {
    const { head, epoch, presence } = this
    const headId = head === 0 ? '' : `m${head}`
    const room = { id: 'tea', name: 'Tea', open: true, creator: 'ann', time: '' }
    const rest = { epoch, head, headId, first: 1, read: 0, unread: head, room, members: ['ann'], presence }
    const all = { from: 1, to: head }
    if (since === undefined) {
      if (head === 0) return { recovered: true, ...rest, entries: [] }
      return verdict('never-joined', [{ ...all, reason: 'never-joined' }], rest, [])
    }
    if ((since.epoch ?? epoch) !== epoch || since.offset > head) {
      return verdict('history-changed', [{ ...all, reason: 'history-changed' }], rest, [])
    }
    const missing = this.missingAfter(since.offset)
    const entries = this.after(since.offset)
    const [worst] = missing
    if (worst !== undefined) return verdict(worst.reason, missing, rest, entries)
    return { recovered: true, ...rest, entries }
  }

  history({ after, limit }: { after: number; limit: number }): object {
    const all = this.after(after)
    const messages = all.slice(0, Math.min(limit, this.pageMax))
    return { messages, next: messages.length < all.length ? (messages.at(-1)?.offset ?? null) : null }
  }
}

function verdict(reason: string, missing: readonly Missing[], rest: object, entries: readonly unknown[]): object {
  return { recovered: false, reason, missing, ...rest, entries }
}
