// Reads, like any client, what the server has in the end: before the judge can say whether it is right.

import { entryOf } from './direct-users.ts'
import type { Entry } from './history.ts'
import { roomEntryOf } from './room-users.ts'
import { RpcClient } from './rpc-client.ts'
import type { Simulation } from './simulation.ts'
import type { User } from './user.ts'
import { request } from './web-socket.ts'

/** What is not done yet, '' when everything is. */
export async function unfinished(simulation: Simulation, crowd: readonly User[]): Promise<string> {
  const own = crowd
    .map(({ name, pending }) => (pending === '' ? '' : `${name}: ${pending}`))
    .filter((text) => text !== '')
  const { queues } = await request(simulation, 'GET', '/queues')
  for (const { queue, ready, delayed, leased } of queues) {
    if (ready + delayed + leased > 0) own.push(`${queue}: ${ready} ready, ${delayed} delayed, ${leased} leased`)
  }
  return own.join('; ')
}

export async function audit(simulation: Simulation): Promise<void> {
  const { plan, history } = simulation
  const { final } = history
  for (const user of plan.direct.users) {
    const entries = await pages(simulation, user, 'direct.history', {})
    final.logs.set(`user:${user}`, entries.map(entryOf))
  }
  for (const room of plan.rooms.names) {
    const entries = await pages(simulation, 'admin', 'rooms.history', { room })
    final.logs.set(`room:${room}`, entries.map(roomEntryOf))
  }
  for (let after = ''; ; ) {
    const { tasks, next } = await request(simulation, 'GET', `/tasks?limit=200${after}`)
    for (const task of tasks) final.tasks.set(task.id, task)
    if (next === null) break
    after = `&after=${encodeURIComponent(next)}`
  }
  const { queues } = await request(simulation, 'GET', '/queues')
  final.queues = queues
}

/** When everybody has gone. */
export async function auditEmpty(simulation: Simulation): Promise<void> {
  const { final } = simulation.history
  final.metrics = await request(simulation, 'GET', '/metrics')
  const { pool } = simulation.plan.pools
  const rpc = await RpcClient.open(simulation, 'admin')
  final.pools.set(pool, await rpc.call('pools.status', { pool }))
  rpc.close()
}

async function pages(simulation: Simulation, user: string, method: string, params: object): Promise<any[]> {
  const rpc = await RpcClient.open(simulation, user)
  const all: Entry[] = []
  for (let after: number | null = 0; after !== null; ) {
    const { messages, next }: { messages: Entry[]; next: number | null } = await rpc.call(method, {
      ...params,
      after,
      limit: 100,
    })
    all.push(...messages)
    after = next
  }
  rpc.close()
  return all
}
