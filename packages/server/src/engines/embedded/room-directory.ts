// Rooms and members. Each membership is written twice, under the room and under the user, with a count on both sides:
// limits need no scan, and a list that does not come to its count is damage, not a shorter list.

import { NitkaError } from '@nitka/protocol'
import type { Member, Room, RoomDirectory } from '../../rooms/room-directory.ts'
import { nameBytes } from '../names.ts'
import type { Committer } from './committer.ts'
import type { Draft, Operation, Slot } from './draft.ts'
import { beyond, counted, justAfter, key, spaces } from './keys.ts'
import { checkLimit } from './log-pages.ts'
import type { Reader, ReadView } from './reader.ts'
import { RoomCache } from './room-cache.ts'
import { Parts } from './values.ts'

interface RoomRecord {
  readonly room: Room
  readonly members: number
}

export class EmbeddedRoomDirectory implements RoomDirectory {
  readonly #committer: Committer
  readonly #reader: Reader
  readonly #cache = new RoomCache<Room>()

  constructor(committer: Committer, reader: Reader) {
    this.#committer = committer
    this.#reader = reader
  }

  async create(room: Room, limits: { readonly roomsPerUserMax: number }): Promise<void> {
    const member = { user: room.creator, time: room.time }
    const join = new JoinOperation({ ...limits, create: room, id: room.id, member, membersPerRoomMax: 0 })
    await this.#change(join, room.id, room.creator)
  }

  async get(id: string): Promise<Room | undefined> {
    return this.#cache.room(id, async () => {
      const at = roomKey(id)
      const body = await this.#reader.view((view) => view.body(at))
      return body === undefined ? undefined : readRoom(id, body).room
    })
  }

  async list(user: string, after: string | undefined, limit: number): Promise<readonly Room[]> {
    checkLimit(limit, 500)
    const prefix = key(spaces.joined, counted(nameBytes(user, 'user', 128)))
    return this.#reader.view(async (view) => {
      const ids = (await lines(view, prefix, after, limit)).map(({ name }) => name)
      if (after === undefined && ids.length < limit) await checkCount(view, ids.length, userKey(user), readCount)
      const bodies = await view.bodies(ids.map(roomKey))
      return ids.map((id, i) => {
        const body = bodies[i]
        if (body === undefined) throw new NitkaError('damaged', `the room ${id} is missing from the store`)
        return readRoom(id, body).room
      })
    })
  }

  async members(id: string, after: string | undefined, limit: number): Promise<readonly Member[]> {
    checkLimit(limit, 10_000)
    const prefix = key(spaces.member, counted(nameBytes(id, 'room', 128)))
    return this.#reader.view(async (view) => {
      const found = await lines(view, prefix, after, limit)
      if (after === undefined && found.length < limit) {
        await checkCount(view, found.length, roomKey(id), (body) => readRoom(id, body).members)
      }
      return found.map(({ name, body }) => ({ user: name, time: new Parts(body).number() }))
    })
  }

  async isMember(id: string, user: string): Promise<boolean> {
    return this.#cache.member(id, user, async () => {
      const at = memberKey(id, user)
      return (await this.#reader.view((view) => view.body(at))) !== undefined
    })
  }

  async membership(id: string, user: string): Promise<{ room: Room; member: boolean } | undefined> {
    const room = await this.get(id)
    return room && { room, member: await this.isMember(id, user) }
  }

  async add(
    id: string,
    member: Member,
    limits: { readonly membersPerRoomMax: number; readonly roomsPerUserMax: number },
  ): Promise<boolean> {
    return this.#change(new JoinOperation({ ...limits, create: undefined, id, member }), id, member.user)
  }

  async remove(id: string, user: string): Promise<boolean> {
    return this.#change(new LeaveOperation(id, user), id, user)
  }

  async #change<Result>(operation: Operation<Result>, id: string, user: string): Promise<Result> {
    try {
      return await this.#committer.submit(operation)
    } finally {
      this.#cache.changed(id, user)
    }
  }
}

function roomKey(id: string): Buffer {
  return key(spaces.room, nameBytes(id, 'room', 128))
}

function userKey(user: string): Buffer {
  return key(spaces.user, nameBytes(user, 'user', 128))
}

function memberKey(id: string, user: string): Buffer {
  return key(spaces.member, counted(nameBytes(id, 'room', 128)), nameBytes(user, 'user', 128))
}

function joinedKey(user: string, id: string): Buffer {
  return key(spaces.joined, counted(nameBytes(user, 'user', 128)), nameBytes(id, 'room', 128))
}

export function readRoom(id: string, body: Buffer): RoomRecord {
  const parts = new Parts(body)
  const members = parts.number()
  const time = parts.number()
  const open = parts.byte() === 1
  const creator = parts.name()
  return { members, room: { id, name: parts.rest(), open, creator, time } }
}

/** Who is in which room, by a key of the space of members. */
export function readMember(at: Buffer, body: Buffer): Member & { readonly room: string } {
  const key = new Parts(at.subarray(spaces.member.length))
  return { room: key.name(), user: key.rest(), time: new Parts(body).number() }
}

function roomBody({ room, members }: RoomRecord): Buffer {
  const creator = Buffer.from(room.creator)
  const head = Buffer.alloc(14)
  head.writeUIntBE(members, 0, 6)
  head.writeUIntBE(room.time, 6, 6)
  head[12] = room.open ? 1 : 0
  head[13] = creator.length
  return Buffer.concat([head, creator, Buffer.from(room.name)])
}

function numberBody(value: number): Buffer {
  const body = Buffer.alloc(6)
  body.writeUIntBE(value, 0, 6)
  return body
}

function readCount(body: Buffer): number {
  return new Parts(body).number()
}

/** The rows under `prefix` by name, after `after`, at most `limit`. */
async function lines(view: ReadView, prefix: Buffer, after: string | undefined, limit: number) {
  const found: { name: string; body: Buffer }[] = []
  let from = after === undefined ? prefix : justAfter(key(prefix, Buffer.from(after)))
  while (found.length < limit) {
    const rows = await view.rows({ from, to: beyond(prefix), limit: limit - found.length })
    for (const [at, value] of rows) {
      found.push({ name: at.toString('utf8', prefix.length), body: view.open(at, value) })
      from = justAfter(at)
    }
    if (rows.length === 0) break
  }
  return found
}

/** @throws NitkaError `damaged` a whole list is shorter or longer than the record beside it says */
async function checkCount(view: ReadView, found: number, at: Buffer, read: (body: Buffer) => number): Promise<void> {
  const body = await view.body(at)
  const expected = body === undefined ? 0 : read(body)
  if (expected !== found) throw new NitkaError('damaged', `a list of the store has ${found} of ${expected} records`)
}

interface Join {
  /** The room to make first; undefined when it must exist. */
  readonly create: Room | undefined
  readonly id: string
  readonly member: Member
  readonly membersPerRoomMax: number
  readonly roomsPerUserMax: number
}

/** The four records of a membership. */
class Membership {
  readonly room: Slot
  readonly user: Slot
  readonly member: Slot
  readonly joined: Slot

  constructor(draft: Draft, id: string, user: string) {
    this.room = draft.slot(roomKey(id))
    this.user = draft.slot(userKey(user))
    this.member = draft.slot(memberKey(id, user))
    this.joined = draft.slot(joinedKey(user, id))
  }

  /** @throws NitkaError `damaged` */
  check(): void {
    for (const slot of [this.room, this.user, this.member, this.joined]) void slot.body
  }

  get rooms(): number {
    return this.user.body === undefined ? 0 : readCount(this.user.body)
  }
}

/** Makes a room with its creator, or adds a member. False: a member already. */
class JoinOperation implements Operation<boolean> {
  readonly bytes = 500
  readonly essential = false
  readonly #join: Join
  #records: Membership | undefined

  constructor(join: Join) {
    this.#join = join
  }

  ask(draft: Draft): void {
    const { create } = this.#join
    if (create?.name.isWellFormed() === false) throw new NitkaError('invalid', 'name is not Unicode', { field: 'name' })
    this.#records = new Membership(draft, this.#join.id, this.#join.member.user)
  }

  plan(draft: Draft): boolean {
    const { create, id, member, membersPerRoomMax, roomsPerUserMax } = this.#join
    const records = this.#records ?? new Membership(draft, id, member.user)
    records.check()
    const found = records.room.body
    if (create !== undefined && found !== undefined) {
      throw new NitkaError('conflict', `the room ${id} exists already`, { field: 'id' })
    }
    if (create === undefined && found === undefined) throw new NitkaError('not-found', `there is no room ${id}`)
    if (records.member.body !== undefined) return false
    const record = found === undefined ? undefined : readRoom(id, found)
    const members = record?.members ?? 0
    if (membersPerRoomMax > 0 && members >= membersPerRoomMax) {
      throw new NitkaError('overloaded', `the room ${id} has ${membersPerRoomMax} members, the most allowed`)
    }
    if (roomsPerUserMax > 0 && records.rooms >= roomsPerUserMax) {
      throw new NitkaError('overloaded', `${member.user} is in ${roomsPerUserMax} rooms, the most allowed`)
    }
    const room = record?.room ?? create
    if (room === undefined) return false
    draft.put(records.room, roomBody({ room, members: members + 1 }))
    draft.put(records.user, numberBody(records.rooms + 1))
    draft.put(records.member, numberBody(member.time))
    draft.put(records.joined, numberBody(member.time))
    return true
  }
}

/** Removes a member. False: was none. The room stays, with nobody in it too. */
class LeaveOperation implements Operation<boolean> {
  readonly bytes = 300
  readonly essential = true
  readonly #id: string
  readonly #user: string
  #records: Membership | undefined

  constructor(id: string, user: string) {
    this.#id = id
    this.#user = user
  }

  ask(draft: Draft): void {
    this.#records = new Membership(draft, this.#id, this.#user)
  }

  plan(draft: Draft): boolean {
    const records = this.#records ?? new Membership(draft, this.#id, this.#user)
    records.check()
    if (records.member.body === undefined) return false
    const { rooms } = records
    const { body } = records.room
    if (body !== undefined) {
      const record = readRoom(this.#id, body)
      draft.put(records.room, roomBody({ ...record, members: record.members - 1 }))
    }
    if (rooms <= 1) draft.delete(records.user)
    else draft.put(records.user, numberBody(rooms - 1))
    draft.delete(records.member)
    draft.delete(records.joined)
    return true
  }
}
