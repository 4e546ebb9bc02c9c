// Rooms and members in Postgres. Limits hold over all nodes: a room's row is locked while members come, and a user while
// their rooms are counted.

import { NitkaError } from '@nitka/protocol'
import type { Member, Membered, Room, RoomDirectory } from '../../rooms/room-directory.ts'
import type { Database } from './database.ts'

const columns = 'id, name, open, creator, time'
const removalsMax = 10_000

export class ClusterRoomDirectory implements RoomDirectory {
  readonly #database: Database
  /** By room, the last write under way: writes to one room are done in the order in which this node was asked. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(database: Database) {
    this.#database = database
  }

  async create(room: Room, { roomsPerUserMax }: { readonly roomsPerUserMax: number }): Promise<void> {
    const { id, name, open, creator, time } = room
    const answer = await this.#write(id, 'select nitka.create_room($1, $2, $3, $4, $5, $6) as answer', [
      ...[id, name, open, creator, time, roomsPerUserMax],
    ])
    if (answer === 'taken') throw new NitkaError('conflict', `there is a room ${id} already`, { field: 'id' })
    if (answer === 'user-full') throw userFull(creator, roomsPerUserMax)
  }

  async get(id: string): Promise<Room | undefined> {
    const [room] = await this.#database.run<Room>(`select ${columns} from nitka.rooms where id = $1`, [id])
    return room
  }

  async list(user: string, after: string | undefined, limit: number): Promise<readonly Room[]> {
    return this.#database.run<Room>(
      `select ${columns.replaceAll(/\w+/g, 'r.$&')} from nitka.members m join nitka.rooms r on r.id = m.room
         where m.user_name = $1 and m.room > $2 order by m.room limit $3`,
      [user, after ?? '', limit],
    )
  }

  async members(id: string, after: string | undefined, limit: number): Promise<readonly Member[]> {
    return this.#database.run<Member>(
      `select user_name as "user", time from nitka.members where room = $1 and user_name > $2 order by user_name limit $3`,
      [id, after ?? '', limit],
    )
  }

  async isMember(id: string, user: string): Promise<boolean> {
    const rows = await this.#database.run('select from nitka.members where room = $1 and user_name = $2', [id, user])
    return rows.length > 0
  }

  async membership(id: string, user: string): Promise<{ room: Room; member: boolean } | undefined> {
    const [row] = await this.#database.run<Room & { member: boolean }>(
      `select ${columns}, exists (select from nitka.members where room = $1 and user_name = $2) as member
         from nitka.rooms where id = $1`,
      [id, user],
    )
    if (row === undefined) return undefined
    const { member, ...room } = row
    return { room, member }
  }

  async removals(withinMs: number): Promise<readonly Membered[]> {
    return this.#database.run<Membered>(
      `select r.room, r.user_name as "user" from nitka.removals r
         where r.at > statement_timestamp() - make_interval(secs => $1::float8 / 1000)
           and not exists (select from nitka.members m where m.room = r.room and m.user_name = r.user_name)
         order by r.at desc limit ${removalsMax}`,
      [Math.ceil(withinMs)],
    )
  }

  async add(
    id: string,
    { user, time }: Member,
    limits: { readonly membersPerRoomMax: number; readonly roomsPerUserMax: number },
  ): Promise<boolean> {
    const { membersPerRoomMax, roomsPerUserMax } = limits
    const answer = await this.#write(id, 'select nitka.add_member($1, $2, $3, $4, $5) as answer', [
      ...[id, user, time, membersPerRoomMax, roomsPerUserMax],
    ])
    if (answer === 'no-room') throw new NitkaError('not-found', `there is no room ${id}`, { field: 'room' })
    if (answer === 'user-full') throw userFull(user, roomsPerUserMax)
    if (answer === 'room-full') {
      throw new NitkaError('overloaded', `a room has at most ${membersPerRoomMax} members`)
    }
    return answer === 'added'
  }

  async remove(id: string, user: string): Promise<boolean> {
    return (await this.#write(id, 'select nitka.remove_member($1, $2)::text as answer', [id, user])) === 'true'
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#last.values())
  }

  async #write(room: string, text: string, parameters: (string | number | boolean)[]): Promise<string> {
    const run = async (): Promise<string> => {
      const [row] = await this.#database.run<{ answer: string }>(text, parameters)
      return row?.answer ?? ''
    }
    const mine = (this.#last.get(room) ?? Promise.resolve()).then(run, run)
    this.#last.set(room, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(room) === mine) this.#last.delete(room)
    }
  }
}

function userFull(user: string, roomsMax: number): NitkaError {
  return new NitkaError('overloaded', `${user} is a member of ${roomsMax} rooms already, which is the most`)
}
