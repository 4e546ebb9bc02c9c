// Fifty people want one of thirty seats, all at the same moment. No seat is sold twice, and thirty are sold.

import { connect, type Nitka, NitkaError } from '@nitka/client'
import { temporaryServer } from 'nitka/testing'

export const seats = ['A', 'B', 'C'].flatMap((row) => Array.from({ length: 10 }, (_, i) => `${row}${i + 1}`))

const show = { from: '2030-05-01T20:00:00Z', to: '2030-05-01T22:30:00Z' }

/**
 * Buys `count` seats wherever they are free, all or none.
 * @returns the seats; none when there are not enough left
 */
export async function buy(nitka: Nitka, count = 1): Promise<readonly string[]> {
  // Names this sale: by it one finds out what became of it when the connection was lost before the answer.
  const sale = crypto.randomUUID()
  try {
    return (await nitka.pools.book('hall', { ...show, count, note: sale })).resources
  } catch (error) {
    if (!(error instanceof NitkaError)) throw error
    if (error.code === 'conflict') return []
    if (error.code !== 'lost') throw error
    const sold = await nitka.pools.calendar('hall', show)
    return sold.find(({ note }) => note === sale)?.resources ?? buy(nitka, count)
  }
}

/** Who sits where. */
export async function plan(nitka: Nitka): Promise<ReadonlyMap<string, string>> {
  const sold = await nitka.pools.calendar('hall', show)
  return new Map(sold.flatMap(({ resources, user }) => resources.map((seat) => [seat, user] as const)))
}

if (import.meta.main) {
  await using app = await temporaryServer()
  await using box = connect(`${app.server.url}?user=box-office`)
  await box.pools.add('hall', seats)
  const buyers = Array.from({ length: 50 }, (_, i) => connect(`${app.server.url}?user=buyer-${i + 1}`))
  const tickets = await Promise.all(buyers.map((buyer) => buy(buyer)))
  for (const buyer of buyers) buyer.close()

  const taken = await plan(box)
  for (const row of ['A', 'B', 'C']) {
    console.log(
      row,
      seats
        .filter((seat) => seat.startsWith(row))
        .map((seat) => (taken.has(seat) ? '■' : '□'))
        .join(' '),
    )
  }
  const sold = tickets.filter((ticket) => ticket.length > 0).length
  console.log(`${sold} sold, ${tickets.length - sold} turned away`)
}
