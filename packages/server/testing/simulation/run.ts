// One simulation, from a seed: users and faults, then healing, then what is pending has to be done, then everybody leaves and
// nothing may be left open; and the judges look at what everybody saw.

import { SimulatedClock } from '../clock.ts'
import { audit, auditEmpty, unfinished } from './auditor.ts'
import { Chance } from './chance.ts'
import { crowdOf } from './crowd.ts'
import { Faults } from './faults.ts'
import { judgeLogs } from './judge-logs.ts'
import { judgeTasks } from './judge-tasks.ts'
import { judgeCalmRelay, judgeEmpty, judgePools, judgeRelay, judgeRequests } from './judge-work.ts'
import { Network } from './network.ts'
import { makePool } from './pool-users.ts'
import { replaceTimers } from './process-clock.ts'
import { handleRequests } from './request-users.ts'
import { makeRooms } from './room-users.ts'
import { ServerLife } from './server-life.ts'
import { Simulation } from './simulation.ts'
import { planOf } from './swarm.ts'

export interface Verdict {
  readonly seed: number
  readonly violations: readonly string[]
  readonly sometimes: Readonly<Record<string, number>>
  readonly traceHash: string
}

/** How long pending work may take once nothing fails any more, and how long who fell silent may take to notice. */
const livenessMs = 30_000
const silenceMs = 18_000
/** How long the server may take to notice that somebody is gone. */
const leavingMs = 30_000

/** @param print every step to stdout */
export async function runSeed(seed: number, print = false): Promise<Verdict> {
  const plan = planOf(seed)
  const chance = new Chance(`run ${seed}`)
  const clock = new SimulatedClock()
  const network = new Network(clock, chance.fork('network'), plan.network)
  const life: ServerLife = new ServerLife({
    ...{ clock, chance, network, disk: plan.disk, wishes: plan.wishes },
    onStarted: (server) => handleRequests(simulation, server),
    onFatal: () => faults.ended('the store failed'),
  })
  const simulation = new Simulation(plan, { clock, chance, network, life }, print)
  const faults = new Faults(simulation)
  const unhandled = (reason: unknown): void =>
    simulation.history.wrong(`nobody handled: ${(reason as Error).stack ?? String(reason)}`)
  process.on('unhandledRejection', unhandled)
  const restore = [network.install(), replaceTimers(() => life.clock)]
  try {
    await play(simulation, faults)
  } catch (error) {
    simulation.history.wrong((error as Error).stack ?? String(error))
  } finally {
    life.kill()
    for (const put of restore) put()
    process.off('unhandledRejection', unhandled)
  }
  const { violations, sometimes } = simulation.history
  return { seed, violations, sometimes, traceHash: simulation.traceHash }
}

async function play(simulation: Simulation, faults: Faults): Promise<void> {
  const { plan, clock, life, history, network } = simulation
  await life.start()
  const ready = Promise.all([makeRooms(simulation, plan.rooms.names), makePool(simulation)])
  await until(simulation, ready, 20_000)
  const crowd = crowdOf(simulation)
  const runs = crowd.map((user) => user.run())
  await faults.pass(plan.harmMs)
  await faults.heal()
  simulation.phase = 'healed'
  simulation.note('run', 'healed')
  const healed = simulation.now
  history.healedAt = healed
  await clock.pass(silenceMs)
  let left = ''
  do {
    await clock.pass(500)
    left = await until(simulation, unfinished(simulation, crowd), 10_000)
  } while (left !== '' && simulation.now - healed < livenessMs)
  if (left !== '') history.wrong(`not done ${livenessMs} ms after the faults: ${left}`)
  await until(simulation, audit(simulation), 60_000)
  simulation.phase = 'over'
  for (const user of crowd) user.leave()
  await until(simulation, Promise.all(runs), 20_000)
  await clock.pass(leavingMs)
  await until(simulation, auditEmpty(simulation), 10_000)
  await clock.pass(5_000)
  await until(simulation, life.server?.stop(0) ?? Promise.resolve(), 10_000)
  if (life.clock?.waiting !== 0) history.wrong(`${life.clock?.waiting} timers are left`)
  if (network.open !== 0) history.wrong(`${network.open} connections are left`)
  judgeLogs(history)
  judgeTasks(history, plan)
  judgeRequests(history, plan)
  judgePools(history)
  judgeRelay(history)
  judgeCalmRelay(history, plan)
  judgeEmpty(history, plan)
}

/** Lets time go by until it is there. @throws after `patience` */
async function until<Value>(simulation: Simulation, wanted: Promise<Value>, patience: number): Promise<Value> {
  let over = false
  const watched = wanted.finally(() => {
    over = true
  })
  watched.catch(() => undefined)
  const end = simulation.now + patience
  while (!over && simulation.now < end) await simulation.clock.pass(10)
  if (!over) throw new Error(`waited ${patience} ms in vain`)
  return watched
}
