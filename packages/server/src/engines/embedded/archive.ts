// Carries what a store holds to another one: for an export, and for the import of it. Only while no server uses the store.

import type { LogName } from '../../log/log-store.ts'
import type { PoolWrite } from '../../pools/pool-store.ts'
import { type ArchiveParts, entryCount, readArchive } from './archive-read.ts'
import type { ArchiveRecord, ArchiveSection } from './archive-records.ts'
import { checkRecord, type RestorableRecord, RestoreOperation } from './archive-write.ts'
import type { Committer } from './committer.ts'
import type { EmbeddedRoomDirectory } from './room-directory.ts'

const unlimited = { roomsPerUserMax: 0, membersPerRoomMax: 0 }

interface Parts extends Omit<ArchiveParts, 'now'> {
  readonly committer: Committer
  readonly rooms: EmbeddedRoomDirectory
  readonly now: () => number
  readonly generation: number
}

export class Archive {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** How often the store began anew: a store that is made of its records begins after that. */
  get generation(): number {
    return this.#parts.generation
  }

  /**
   * Everything of these sections, in the order of `archiveOrder`.
   * @throws NitkaError `damaged`; entries that are damaged come as holes
   */
  records(sections: ReadonlySet<ArchiveSection>, logs: (log: LogName) => boolean): AsyncGenerator<ArchiveRecord> {
    return readArchive({ ...this.#parts, now: this.#parts.now() }, sections, logs)
  }

  /** About how many records there are. */
  async size(logs: (log: LogName) => boolean): Promise<number> {
    const { reader, book } = this.#parts
    let size = await entryCount(reader, logs)
    for (const queue of book.queues.values()) size += queue.ready + queue.delayed.count + queue.leased + queue.dead
    return size
  }

  /** @throws NitkaError `invalid` the store cannot keep it */
  check(record: ArchiveRecord): void {
    if (record.type !== 'room' && record.type !== 'member' && record.type !== 'pool') checkRecord(record)
  }

  /**
   * Stores checked records, none of which is there. Resolves when they are durable.
   * @param refused told of a record that the store refuses; the others are stored
   */
  async restore(
    records: readonly ArchiveRecord[],
    refused: (record: ArchiveRecord, error: unknown) => void,
  ): Promise<void> {
    const { committer, rooms, pools, book } = this.#parts
    const raw: RestorableRecord[] = []
    const resources: PoolWrite[] = []
    const work: Promise<unknown>[] = []
    const one = (record: ArchiveRecord, done: Promise<unknown>): void => {
      work.push(done.catch((error: unknown) => refused(record, error)))
    }
    for (const record of records) {
      if (record.type === 'room') {
        one(record, rooms.create(record, unlimited))
        // Who made a room need not be in it any more; if so, that comes as a member.
        one(record, rooms.remove(record.id, record.creator))
      } else if (record.type === 'member') one(record, rooms.add(record.room, record, unlimited))
      else if (record.type === 'pool') resources.push(record)
      else raw.push(record)
    }
    // One after the other: together they could be more than may wait for the disk.
    await Promise.all(work)
    await pools.save(resources)
    if (raw.length > 0) await committer.submit(new RestoreOperation(book, raw))
  }
}
