// Planning an append: offsets, dedupe, the thread index. Runs once per append inside a batch; everything it needs was
// read before.

import type { Append, Appended, NewEntry } from '../../log/log-store.ts'
import { checkAppend, hashBytes, otherPayload, payloadHash } from '../append-rules.ts'
import type { Draft, Operation, Slot } from './draft.ts'
import { spaces } from './keys.ts'
import type { LogHead } from './log-heads.ts'
import { entryBytesMax, Parts, type StoredEntry, writeEntry } from './values.ts'
import type { Writer } from './writer.ts'

/** What the dedupe record of a client id says. */
interface Remembered {
  /** When it was stored, wall time: its window begins then. */
  readonly stored: number
  readonly hash: Buffer
  readonly appended: Appended
}

export interface AppendRules {
  /** Wall time now. */
  now(): number
  readonly dedupeWindowMs: number
  /** Told of each append stored and each repeat. */
  count(entries: number, repeats: number): void
}

/** All appends of one call. */
export class AppendOperation implements Operation<readonly Appended[]> {
  readonly bytes: number
  readonly essential = false
  readonly #appends: readonly Append[]
  readonly #rules: AppendRules
  readonly #slots: (Slot | undefined)[] = []
  readonly #heads: LogHead[] = []
  #hashes: readonly (Buffer | undefined)[] = []
  #earlier: readonly (Appended | number | undefined)[] = []
  #now = 0

  constructor(appends: readonly Append[], rules: AppendRules) {
    this.#appends = appends
    this.#rules = rules
    let bytes = 0
    for (const append of appends) {
      checkAppend(append)
      for (const entry of append.entries) bytes += entry.body.length + 200
    }
    this.bytes = bytes
  }

  ask(draft: Draft): void {
    for (const { entries, clientId } of this.#appends) {
      for (const entry of entries) this.#heads.push(draft.log(entry.log))
      const first = entries[0]
      this.#slots.push(clientId === undefined || first === undefined ? undefined : dedupeSlot(draft, first, clientId))
    }
  }

  plan(draft: Draft): readonly Appended[] {
    this.decide()
    return this.write(draft)
  }

  /** The half of planning that refuses, and writes nothing. */
  decide(): void {
    for (const head of this.#heads) head.check()
    this.#now = this.#rules.now()
    this.#hashes = this.#appends.map((append, i) => (this.#slots[i] === undefined ? undefined : payloadHash(append)))
    this.#earlier = this.#appends.map((append, i) => this.#earlierOf(append, i))
  }

  /** The half that writes, and refuses nothing. */
  write(draft: Draft): readonly Appended[] {
    const results: Appended[] = []
    let head = 0
    for (const [i, append] of this.#appends.entries()) {
      const before = this.#earlier[i]
      const answer = typeof before === 'number' ? repeatOf(results[before]) : before
      results.push(answer ?? this.#store(draft, append, { part: i, head, hash: this.#hashes[i], now: this.#now }))
      this.#rules.count(answer === undefined ? append.entries.length : 0, answer === undefined ? 0 : 1)
      head += append.entries.length
    }
    return results
  }

  /**
   * What an append repeats: an answer of the past, the number of an earlier append of this call, or nothing.
   * @throws NitkaError `conflict`
   */
  #earlierOf(append: Append, part: number): Appended | number | undefined {
    const hashes = this.#hashes
    const slot = this.#slots[part]
    if (slot === undefined) return undefined
    const remembered = slot.body === undefined ? undefined : readRemembered(slot.body)
    if (remembered !== undefined && this.#now - remembered.stored < this.#rules.dedupeWindowMs) {
      if (hashes[part]?.equals(remembered.hash) !== true) throw otherPayload(append)
      return remembered.appended
    }
    if (slot.claim?.by === this) {
      if (hashes[slot.claim.part]?.equals(hashes[part] ?? Buffer.alloc(0)) !== true) throw otherPayload(append)
      return slot.claim.part
    }
    slot.claim = { by: this, part }
    return undefined
  }

  #store(draft: Draft, append: Append, at: { part: number; head: number; hash: Buffer | undefined; now: number }) {
    const offsets: number[] = []
    for (const [i, entry] of append.entries.entries()) {
      const head = this.#heads[at.head + i]
      if (head !== undefined) offsets.push(storeEntry(draft, head, entry, append.clientId))
    }
    const first = append.entries[0]
    const appended = { repeated: false, id: first?.id ?? '', time: first?.time ?? 0, offsets }
    const slot = this.#slots[at.part]
    if (slot !== undefined && at.hash !== undefined) {
      remember(draft, slot, { stored: at.now, hash: at.hash, appended })
    }
    return appended
  }
}

/** Runs once per entry. */
function storeEntry(draft: Draft, head: LogHead, entry: NewEntry, clientId: string | undefined): number {
  draft.change(head)
  head.head += 1
  head.headId = entry.id
  if (entry.counts) head.counted += 1
  putEntry(draft, head, entry, { offset: head.head, counted: head.counted, clientId })
  return head.head
}

/** Two records at most, written into the batch's memory. */
export function putEntry(
  draft: Draft,
  head: LogHead,
  entry: StoredEntry,
  at: { readonly offset: number; readonly counted: number; readonly clientId?: string | undefined },
): void {
  const { writer, writes } = draft
  writer.room(head.entryPrefix.length + 6 + entryBytesMax(entry))
  writer.bytes(head.entryPrefix)
  writer.number(at.offset)
  writer.beginValue()
  writeEntry(writer, entry, at.clientId, at.counted)
  const write = writer.endRecord()
  writes.push(write)
  if (entry.thread !== undefined) {
    writer.room(head.bytes.length + 300)
    writer.bytes(spaces.thread)
    writer.bytes(head.bytes)
    writer.name(entry.thread)
    writer.number(at.offset)
    writer.beginValue()
    writer.number(write.type === 'put' ? write.value.length : 0) // Lets a page of the thread keep its bound.
    writes.push(writer.endRecord())
  }
}

/** The record that the first log, the sender and the client id name. */
function dedupeSlot(draft: Draft, first: NewEntry, clientId: string): Slot {
  const { writer } = draft
  const head = draft.log(first.log)
  writer.room(head.bytes.length + 600)
  writer.bytes(spaces.dedupe)
  writer.bytes(head.bytes)
  writer.name(first.sender)
  writer.text(clientId)
  return draft.slot(writer.endKey())
}

function remember(draft: Draft, slot: Slot, remembered: Remembered): void {
  draft.put(slot, rememberedBody(draft.writer, remembered))
  draft.expire(slot, remembered.stored)
}

export function rememberedBody(
  writer: Writer,
  remembered: Omit<Remembered, 'appended'> & { readonly appended: Omit<Appended, 'repeated'> },
): Buffer {
  const { id, time, offsets } = remembered.appended
  writer.room(400 + offsets.length * 6)
  writer.number(remembered.stored)
  writer.bytes(remembered.hash)
  writer.number(time)
  writer.name(id)
  writer.short(offsets.length)
  for (const offset of offsets) writer.number(offset)
  return writer.endKey()
}

export function readRemembered(body: Buffer): Remembered {
  const parts = new Parts(body)
  const stored = parts.number()
  const payload = parts.raw(hashBytes)
  const time = parts.number()
  const id = parts.name()
  const offsets = Array.from({ length: parts.short() }, () => parts.number())
  return { stored, hash: payload, appended: { repeated: true, id, time, offsets } }
}

function repeatOf(appended: Appended | undefined): Appended | undefined {
  return appended === undefined ? undefined : { ...appended, repeated: true }
}
