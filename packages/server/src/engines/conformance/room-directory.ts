// What every room directory keeps, whatever it stores in.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Room, RoomDirectory } from '../../rooms/room-directory.ts'
import { code } from './log-fixtures.ts'

export interface OpenRooms {
  readonly rooms: RoomDirectory
  readonly reopen?: () => Promise<RoomDirectory>
}

const lobby: Room = { id: 'lobby', name: 'The lobby ☕', open: true, creator: 'anna', time: 7 }
const unlimited = { membersPerRoomMax: 0, roomsPerUserMax: 0 }
const named = (id: string, creator = 'anna'): Room => ({ ...lobby, id, creator })

/** Holds an engine to the port. `skip`: why a check does not apply, by its name. */
export function roomDirectoryConforms(
  engine: string,
  open: (t: TestContext) => Promise<OpenRooms>,
  skip: Record<string, string> = {},
): void {
  const check = (name: string, body: (store: OpenRooms) => Promise<void>) =>
    test(`${engine}: ${name}`, { skip: skip[name] ?? false }, async (t) => body(await open(t)))

  check('a room is created with its creator as first member', async ({ rooms, reopen }) => {
    await rooms.create(lobby, unlimited)
    const again = (await reopen?.()) ?? rooms
    assert.deepEqual(await again.get('lobby'), lobby)
    assert.deepEqual(await again.members('lobby', undefined, 10), [{ user: 'anna', time: 7 }])
    assert.deepEqual(await again.list('anna', undefined, 10), [lobby])
    assert.equal(await again.isMember('lobby', 'anna'), true)
    assert.deepEqual(await again.membership('lobby', 'anna'), { room: await again.get('lobby'), member: true })
    assert.equal(await again.membership('nowhere', 'anna'), undefined)
  })

  check('what is not there is said to be not there', async ({ rooms }) => {
    assert.equal(await rooms.get('lobby'), undefined)
    assert.deepEqual(await rooms.members('lobby', undefined, 10), [])
    assert.deepEqual(await rooms.list('anna', undefined, 10), [])
    assert.equal(await rooms.isMember('lobby', 'anna'), false)
    assert.equal(await rooms.remove('lobby', 'anna'), false)
    await assert.rejects(rooms.add('lobby', { user: 'anna', time: 1 }, unlimited), code('not-found'))
  })

  check('of rooms created at once under one id, one is', async ({ rooms }) => {
    const creators = ['anna', 'bert', 'carl', 'dora']
    const results = await Promise.allSettled(
      creators.map((creator) => rooms.create(named('lobby', creator), unlimited)),
    )
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1)
    await assert.rejects(rooms.create(lobby, unlimited), code('conflict'))
    assert.equal((await rooms.members('lobby', undefined, 10)).length, 1)
    const lists = await Promise.all(creators.map((creator) => rooms.list(creator, undefined, 10)))
    assert.equal(lists.flat().length, 1)
  })

  check('members come and go once', async ({ rooms }) => {
    await rooms.create(lobby, unlimited)
    const bert = { user: 'bert', time: 9 }
    const added = await Promise.all(Array.from({ length: 5 }, () => rooms.add('lobby', bert, unlimited)))
    assert.equal(added.filter((each) => each).length, 1)
    assert.deepEqual(await rooms.members('lobby', undefined, 10), [{ user: 'anna', time: 7 }, bert])
    const removed = await Promise.all([rooms.remove('lobby', 'bert'), rooms.remove('lobby', 'bert')])
    assert.deepEqual(removed.toSorted(), [false, true])
    assert.equal(await rooms.isMember('lobby', 'bert'), false)
    assert.equal((await rooms.membership('lobby', 'bert'))?.member, false)
    assert.deepEqual(await rooms.list('bert', undefined, 10), [])
    assert.equal(await rooms.add('lobby', bert, unlimited), true)
    assert.equal(await rooms.remove('lobby', 'anna'), true)
    assert.deepEqual(await rooms.get('lobby'), lobby)
  })

  check('creating and adding at once see each other', async ({ rooms }) => {
    const results = await Promise.all([
      rooms.create(lobby, unlimited),
      rooms.add('lobby', { user: 'bert', time: 1 }, unlimited),
      rooms.remove('lobby', 'anna'),
    ])
    assert.deepEqual(results, [undefined, true, true])
    assert.deepEqual(await rooms.members('lobby', undefined, 10), [{ user: 'bert', time: 1 }])
  })

  check('limits hold for whoever comes at once', async ({ rooms }) => {
    await rooms.create(lobby, unlimited)
    const limits = { membersPerRoomMax: 4, roomsPerUserMax: 0 }
    const users = ['b', 'c', 'd', 'e', 'f', 'g']
    const results = await Promise.allSettled(users.map((user) => rooms.add('lobby', { user, time: 1 }, limits)))
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 3)
    await assert.rejects(rooms.add('lobby', { user: 'z', time: 1 }, limits), code('overloaded'))
    assert.equal(await rooms.add('lobby', { user: 'b', time: 2 }, limits), false)
    await rooms.remove('lobby', 'b')
    assert.equal(await rooms.add('lobby', { user: 'z', time: 1 }, limits), true)
  })

  check('a user is in so many rooms and no more', async ({ rooms }) => {
    await rooms.create(named('one'), { roomsPerUserMax: 2 })
    await rooms.create(named('two'), { roomsPerUserMax: 2 })
    await assert.rejects(rooms.create(named('three'), { roomsPerUserMax: 2 }), code('overloaded'))
    assert.equal(await rooms.get('three'), undefined)
    await rooms.create(named('three', 'bert'), unlimited)
    const limits = { membersPerRoomMax: 0, roomsPerUserMax: 2 }
    await assert.rejects(rooms.add('three', { user: 'anna', time: 1 }, limits), code('overloaded'))
    await rooms.remove('one', 'anna')
    assert.equal(await rooms.add('three', { user: 'anna', time: 1 }, limits), true)
  })

  check('lists come by name, page by page', async ({ rooms }) => {
    const ids = ['a', 'ab', 'b', 'constructor', '__proto__', '-', 'Z', 'z'].toSorted()
    for (const id of ids) await rooms.create(named(id), unlimited)
    const listed: string[] = []
    for (;;) {
      const page = await rooms.list('anna', listed.at(-1), 3)
      if (page.length === 0) break
      listed.push(...page.map((each) => each.id))
    }
    assert.deepEqual(listed, ids)
    const users = ['é', 'a', '__proto__', 'ab', '!', '\u{1f9f5}', '\uffff'].toSorted((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    )
    for (const user of users) await rooms.add('a', { user, time: 1 }, unlimited)
    await rooms.remove('a', 'anna')
    const members: string[] = []
    for (;;) {
      const page = await rooms.members('a', members.at(-1), 2)
      if (page.length === 0) break
      members.push(...page.map((each) => each.user))
    }
    assert.deepEqual(members, users)
    assert.deepEqual(
      (await rooms.members('ab', undefined, 10)).map((each) => each.user),
      ['anna'],
    )
  })
}
