// Two clients that send each other numbered messages: one way through a room, the other way directly. Written so that it
// can run in a page as well: it touches nothing but the clients that it is given.

import type { Nitka } from '../src/index.ts'

export interface Told {
  /** Numbers as they came to the room's reader, and to the inbox's. */
  readonly room: number[]
  readonly inbox: number[]
  readonly gaps: unknown[]
  readonly errors: string[]
  readonly reconnects: number
}

/** Sends `count` messages each way, at most `atOnce` unanswered, and resolves when all have come. */
export async function exchange(anna: Nitka, bert: Nitka, count: number, atOnce: number): Promise<Told> {
  const told = { room: [] as number[], inbox: [] as number[], gaps: [] as unknown[], errors: [] as string[] }
  let reconnects = 0
  for (const one of [anna, bert]) one.on('state', ({ state }) => state === 'waiting' && reconnects++)
  await anna.rooms.create({ name: 'Harm', id: 'harm', open: true }).catch(() => undefined)
  const annas = await anna.rooms.join('harm')
  const berts = await bert.rooms.join('harm')
  const inbox = await anna.direct.open()
  berts.on('gap', (gap) => told.gaps.push(gap))
  inbox.on('gap', (gap) => told.gaps.push(gap))
  const allInRoom = new Promise<void>((resolve) => {
    berts.on('message', ({ message }) => {
      if (told.room.push((message as { n: number }).n) === count) resolve()
    })
  })
  const allInInbox = new Promise<void>((resolve) => {
    inbox.on('message', ({ message }) => {
      if (told.inbox.push((message as { n: number }).n) === count) resolve()
    })
  })
  const send = async (one: (n: number) => Promise<unknown>): Promise<void> => {
    const underWay = new Set<Promise<unknown>>()
    for (let n = 0; n < count; n++) {
      const sent: Promise<unknown> = one(n)
        .catch((error: Error) => told.errors.push(`${n}: ${error.message}`))
        .finally(() => underWay.delete(sent))
      underWay.add(sent)
      if (underWay.size >= atOnce) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  }
  await Promise.all([
    send((n) => annas.send({ n })),
    send((n) => bert.direct.send('anna', { n })),
    allInRoom,
    allInInbox,
  ])
  return { ...told, reconnects }
}
