// What a seed picks: who is there, which faults happen and how often, and how tight the limits are.

import type { Wishes } from '../../src/config.ts'
import { Chance } from './chance.ts'
import type { NetworkRules } from './flow.ts'
import type { DiskRules } from './store.ts'

export interface Plan {
  readonly seed: number
  readonly harmMs: number
  /** Most of the pause between two things that a user does. */
  readonly paceMs: number
  /** So often of a hundred a client reads slowly. */
  readonly slowPercent: number
  readonly network: NetworkRules
  readonly disk: DiskRules
  /** Mean time between two faults of a kind, 0: none. */
  readonly faults: {
    readonly kill: number
    readonly cut: number
    readonly freeze: number
    readonly disk: number
    readonly trim: number
    readonly stop: number
  }
  readonly requestMs: number
  readonly backends: number
  readonly sleepers: number
  readonly direct: { readonly users: readonly string[]; readonly bytes: number }
  readonly rooms: {
    readonly names: readonly string[]
    readonly members: number
    readonly library: number
    readonly bytes: number
  }
  readonly relay: { readonly channels: readonly string[]; readonly clients: number; readonly bytes: number }
  readonly tasks: {
    readonly queues: readonly string[]
    readonly adders: number
    readonly workers: number
    readonly library: number
    readonly leaseMs: number
  }
  readonly requests: { readonly askers: number; readonly executors: number }
  readonly pools: { readonly pool: string; readonly size: number; readonly users: number; readonly library: number }
  readonly wishes: Wishes
}

export function planOf(seed: number): Plan {
  const chance = new Chance(`plan ${seed}`)
  const some = (percent: number, low: number, high: number): number =>
    chance.percent(percent) ? chance.between(low, high) : 0
  const names = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)
  const harmMs = chance.between(5_000, 14_000)
  const requestMs = chance.between(500, 3_000)
  const leaseMs = chance.between(400, 2_500)
  return {
    seed,
    harmMs,
    paceMs: chance.pick([60, 300, 800]),
    slowPercent: chance.pick([0, 20, 60]),
    network: {
      latencyMs: chance.pick([1, 10, 80]),
      slicedPercent: chance.pick([0, 10, 50]),
      windowBytes: chance.pick([2_048, 16_384, 262_144]),
    },
    disk: {
      commitMs: chance.pick([1, 5, 20]),
      readMs: chance.pick([0.2, 2, 10]),
      stallPercent: chance.pick([0, 1, 5]),
      stallMs: 1_200,
    },
    faults: {
      kill: some(70, 2_000, 7_000),
      cut: some(70, 100, 2_000),
      freeze: some(50, 500, 4_000),
      disk: some(15, 4_000, 12_000),
      trim: some(30, 1_000, 4_000),
      stop: some(15, 4_000, 12_000),
    },
    requestMs,
    backends: some(40, 1, 2),
    sleepers: some(25, 1, 2),
    direct: { users: names('d', some(80, 2, 5)), bytes: chance.pick([10, 400, 3_000]) },
    rooms: {
      names: names('room', chance.between(1, 2)),
      members: some(80, 2, 5),
      library: some(40, 1, 2),
      bytes: chance.pick([10, 400, 3_000]),
    },
    relay: {
      channels: names('channel', chance.between(1, 2)),
      clients: some(60, 2, 4),
      bytes: chance.pick([5, 300, 2_000]),
    },
    tasks: {
      queues: names('queue', chance.between(1, 2)),
      adders: some(75, 1, 2),
      workers: chance.between(2, 4),
      library: some(40, 1, 1),
      leaseMs,
    },
    requests: { askers: some(60, 1, 4), executors: chance.between(1, 2) },
    pools: { pool: 'pool', size: chance.between(1, 4), users: some(60, 2, 5), library: some(30, 1, 2) },
    wishes: {
      requestMs,
      leaseMs,
      outboxBytes: chance.pick([1_024, 4_096, 262_144]),
      unanswered: chance.pick([2, 8, 64]),
      socketUnanswered: chance.pick([2, 8, 256]),
      poolMessages: chance.pick([4, 64, 1_024]),
      attempts: chance.pick([3, 50]),
      pulseMs: chance.pick([0, 2, 20]),
      rate: chance.pick([20, 200, 1_000]),
      burst: chance.pick([5, 2_000]),
      pingMs: 5_000,
      pongMs: 4_000,
      stallMs: chance.pick([3_000, 10_000]),
      helloMs: 10_000,
      holdMs: 2_000,
      commentMs: 2_000,
      // Longer than the word of it is on its way: who is sent away must hear of it before somebody else holds it.
      holdGraceMs: chance.pick([400, 2_000]),
      presenceGraceMs: chance.pick([0, 1_000]),
      releaseOnDisconnect: chance.percent(25),
      drainMs: 500,
    },
  }
}
