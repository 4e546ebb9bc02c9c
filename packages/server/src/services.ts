// The services, put together on an engine. With server.ts and doors.ts the only files that name concrete classes of every
// layer.

import { IdSource } from '@nitka/protocol'
import type { Config } from './config.ts'
import { Direct } from './direct/direct.ts'
import { Undelivered } from './direct/undelivered.ts'
import type { Engine } from './engines/engine.ts'
import { Pulse } from './fanout/pulse.ts'
import { Log } from './log/log.ts'
import type { LogLines } from './observe/log-lines.ts'
import { Bookings } from './pools/bookings.ts'
import { Pools } from './pools/pools.ts'
import { Relay } from './relay/relay.ts'
import { Requests } from './requests/requests.ts'
import type { Told } from './requests/type-queue.ts'
import { Rooms } from './rooms/rooms.ts'
import { Generator, readGenerator } from './tasks/generator.ts'
import { Tasks } from './tasks/tasks.ts'
import type { World } from './world.ts'

export type Services = Awaited<ReturnType<typeof openServices>>

export async function openServices(config: Config, world: World, engine: Engine, lines: LogLines) {
  const { clock, random } = world
  const ids = new IdSource(() => clock.now(), random.bytes(8))
  const pulse = new Pulse(clock, config.pulseMs)
  // No other node writes to an embedded store, so there is nothing to sweep for.
  const log = new Log({ store: engine.logs, bus: engine.bus, pulse, clock, ids }, { sweepMs: 0 })
  const relay = new Relay(
    { bus: engine.bus, pulse, clock },
    {
      messagesMax: config.poolMessages,
      bytesMax: config.poolBytes,
      retryMs: config.retryMs,
      attemptsMax: config.attempts,
    },
  )
  const direct = new Direct(
    { log, clock, pulse },
    { payloadBytesMax: config.payloadBytes, noteUndelivered: config.webhookUrl !== '' },
  )
  const rooms = new Rooms(
    { log, directory: engine.rooms, clock, ids, pulse },
    {
      payloadBytesMax: config.payloadBytes,
      roomsPerUserMax: config.roomsPerUser,
      membersPerRoomMax: config.membersPerRoom,
    },
  )
  const tasks = new Tasks(
    {
      ...{ store: engine.tasks, clock, ids },
      onError: (error) => lines.error({ err: error, where: 'tasks' }, 'failed'),
      onProgress: (room, progress) => rooms.tellProgress(room, progress),
    },
    {
      leaseMs: config.leaseMs,
      maxAttempts: config.maxAttempts,
      backoffMs: config.backoffMs,
      backoffMaxMs: config.backoffMaxMs,
      payloadBytesMax: config.taskBytes,
      releaseOnDisconnect: config.releaseOnDisconnect,
    },
  )
  const onError = (where: string) => (error: unknown) => lines.error({ err: error, where }, 'failed')
  const requests = new Requests(
    clock,
    { timeoutMs: config.requestMs, waitingMax: config.requestsWaiting, typesMax: config.requestTypes },
    lines.isLevelEnabled('debug') ? timeline(lines) : undefined,
  )
  const pools = await Pools.open(
    { store: engine.pools, clock, random, onError: onError('pools') },
    {
      ttlMs: config.holdMs,
      graceMs: config.holdGraceMs,
      poolsMax: config.pools,
      resourcesMax: config.resourcesPerPool,
      waitersMax: config.waitersPerPool,
      holdsPerOwnerMax: config.holdsPerConnection,
    },
  )
  const bookings = await Bookings.open(
    { store: engine.pools, pools, clock, random, onError: onError('bookings') },
    config.bookingsPerPool,
  )
  const generate = readGenerator(config.generate)
  const generator = generate && new Generator(tasks, world, generate)
  const undelivered = config.webhookUrl === '' ? undefined : openUndelivered(config, log, world)
  return { ids, pulse, log, relay, direct, rooms, tasks, requests, pools, bookings, generator, undelivered }
}

/** A line for each request that ended: when it was queued, started and ended. */
function timeline(lines: LogLines): Told {
  return (request, outcome, waitedMs, ranMs) => {
    const { type, user } = request
    const error = 'error' in outcome ? { error: outcome.error.message } : {}
    lines.debug({ type, user, waitedMs: Math.round(waitedMs), ranMs: Math.round(ranMs), ...error }, 'request')
  }
}

function openUndelivered(config: Config, log: Log, world: World): Undelivered {
  return new Undelivered(log, world.clock, {
    url: config.webhookUrl,
    afterMs: config.webhookAfterMs,
    secret: config.webhookSecret === '' ? undefined : config.webhookSecret,
    post: async (url, body, headers) => {
      const response = await fetch(url, { method: 'POST', body, headers, signal: AbortSignal.timeout(10_000) })
      await response.body?.cancel()
      if (response.ok) return 'accepted'
      const passing = response.status >= 500 || response.status === 408 || response.status === 429
      return passing ? 'later' : 'refused'
    },
  })
}
