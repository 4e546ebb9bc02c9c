// Who is there: users of every service, as many as the plan says.

import { Backend } from './backend-users.ts'
import { PlainPerson, RpcPerson } from './direct-users.ts'
import { LibraryHolder, LibraryMember, LibraryPerson, LibraryWorker } from './library-users.ts'
import { PoolUser } from './pool-users.ts'
import { RelayClient } from './relay-users.ts'
import { Asker, RemoteExecutor } from './request-users.ts'
import { Member } from './room-users.ts'
import type { Simulation } from './simulation.ts'
import { Sleeper } from './sleepers.ts'
import { Adder, Worker } from './task-users.ts'
import type { User } from './user.ts'

export function crowdOf(simulation: Simulation): User[] {
  const { plan } = simulation
  const { direct, rooms, relay, tasks, requests, pools } = plan
  const chance = simulation.chance.fork('crowd')
  const crowd: User[] = direct.users.map((name) => {
    const kind = chance.pick(['position', 'device', 'confirms', 'confirms', 'listens', 'library'])
    if (kind === 'library') return new LibraryPerson(simulation, name)
    if (kind === 'position' || kind === 'device')
      return new RpcPerson(simulation, name, kind === 'device' ? 'phone' : '')
    return new PlainPerson(simulation, name, kind === 'confirms')
  })
  const several = (count: number, make: (number: number) => User): void => {
    for (let number = 1; number <= count; number++) crowd.push(make(number))
  }
  several(rooms.members, (n) => new Member(simulation, `member${n}`, chance.pick(rooms.names), chance.percent(40)))
  several(rooms.library, (n) => new LibraryMember(simulation, `library${n}`, chance.pick(rooms.names)))
  several(relay.clients, (n) => new RelayClient(simulation, `relay${n}`))
  several(tasks.adders, (n) => new Adder(simulation, `adder${n}`))
  if (tasks.adders > 0) {
    for (const queue of tasks.queues) {
      several(tasks.library, (n) => new LibraryWorker(simulation, `${queue}-library${n}`, queue))
      several(tasks.workers, (n) => new Worker(simulation, `${queue}-worker${n}`, queue, chance.percent(60)))
    }
  }
  several(plan.backends, (n) => new Backend(simulation, `backend${n}`))
  several(plan.sleepers, (n) => new Sleeper(simulation, `sleeper${n}`))
  several(requests.askers, (n) => new Asker(simulation, `asker${n}`))
  if (requests.askers > 0) several(requests.executors, (n) => new RemoteExecutor(simulation, `executor${n}`))
  several(pools.library, (n) => new LibraryHolder(simulation, `holder${n}`))
  several(pools.users, (n) => new PoolUser(simulation, `pool-user${n}`))
  return crowd
}
