// A line now and then with the length of the queue of requests.

import { NitkaError } from '@nitka/protocol'
import type { Requests } from '../requests/requests.ts'
import { realClock } from '../world.ts'

const shownMax = 10

/** @param every `4s` or `500ms` @throws NitkaError `invalid` */
export function reportQueue(requests: Requests, every: string): void {
  const [, amount = '', unit] = /^(\d{1,7})(ms|s|m)$/.exec(every) ?? []
  const ms = Number(amount) * (unit === 'm' ? 60_000 : unit === 's' ? 1_000 : 1)
  if (amount === '' || ms < 100) {
    throw new NitkaError('invalid', `queue-report must be a time such as 4s or 500ms, at least 100ms, not ${every}`)
  }
  realClock.every(ms, () => {
    const busy = requests.types().filter(({ waiting, running }) => waiting + running > 0)
    const parts = busy.slice(0, shownMax).map(({ type, waiting, running }) => `${type} ${waiting}+${running}`)
    const list = parts.length === 0 ? '' : ` (${parts.join(', ')}${busy.length > shownMax ? ', …' : ''})`
    console.log(`nitka: ${requests.waiting} waiting, ${requests.running} running${list}`)
  })
}
