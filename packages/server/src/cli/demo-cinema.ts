// The cinema of the demo: a pool of seats, the question what one costs, and ben, who holds a few of them now and then.

import { NitkaError } from '@nitka/protocol'
import type { Server } from '../server.ts'
import { realClock, sleep } from '../world.ts'

const pool = 'cinema'
const seats = ['A', 'B', 'C'].flatMap((row) => Array.from({ length: 8 }, (_, i) => ({ id: `${row}${i + 1}` })))
/** So long that one who asks several times sees the line. */
const thinkMs = 1_500
const price = { empty: 8, perHeldSeat: 0.5 }
const ben = { user: 'ben', owner: undefined }
const ttl = 12_000

/** Makes the pool, whatever there is of it already, and answers `quote`, one at a time. */
export async function openCinema(server: Server): Promise<void> {
  await server.pools.add(pool, seats)
  server.requests.handle('quote', async () => {
    await sleep(realClock, thinkMs)
    return { price: price.empty + price.perHeldSeat * (seats.length - (await freeSeats(server))) }
  })
}

/** Ben holds one to three seats for a while, as long as most are left to others. */
export async function visitCinema(server: Server, turn: number): Promise<void> {
  if ((await freeSeats(server)) < seats.length * 0.75) return
  await server.pools.acquire(ben, { pool, count: 1 + (turn % 3), ttl }).catch((error: unknown) => {
    if (!(error instanceof NitkaError && error.code === 'busy')) throw error
  })
}

async function freeSeats(server: Server): Promise<number> {
  return (await server.pools.list()).find((one) => one.pool === pool)?.free ?? 0
}
