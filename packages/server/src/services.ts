// The services, put together on an engine. With server.ts and doors.ts the only files that name concrete classes of every
// layer.

import { IdSource } from '@nitka/protocol'
import type { Config } from './config.ts'
import { Direct } from './direct/direct.ts'
import { Undelivered } from './direct/undelivered.ts'
import type { Engine } from './engines/engine.ts'
import { tellDead, tellStored } from './event-sources.ts'
import type { Events } from './events.ts'
import { Pulse } from './fanout/pulse.ts'
import { Log } from './log/log.ts'
import { Peers } from './nodes/peers.ts'
import type { LogLines } from './observe/log-lines.ts'
import { BookingService } from './pools/booking-service.ts'
import { type HomeParts, OneHome, type PoolHome } from './pools/pool-home.ts'
import { PoolService } from './pools/pool-service.ts'
import { SharedHome } from './pools/shared-home.ts'
import { Relay } from './relay/relay.ts'
import { Requests, type SharedBy } from './requests/requests.ts'
import type { Told } from './requests/type-queue.ts'
import { Rooms } from './rooms/rooms.ts'
import { Generator, readGenerator } from './tasks/generator.ts'
import { Tasks } from './tasks/tasks.ts'
import type { Clock, World } from './world.ts'

export type Services = Awaited<ReturnType<typeof openServices>>

export async function openServices(config: Config, world: World, engine: Engine, lines: LogLines, events: Events) {
  const { clock, random } = world
  const ids = new IdSource(() => clock.now(), random.bytes(8))
  const pulse = new Pulse(clock, config.pulseMs)
  // No other node writes to an embedded store, so there is nothing to sweep for.
  const sweepMs = engine.ownership === undefined ? 0 : config.sweepMs
  const log = new Log({ store: engine.logs, bus: engine.bus, pulse, clock, ids }, { sweepMs }, tellStored(events))
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
    { log, clock, pulse, bus: engine.bus },
    { payloadBytesMax: config.payloadBytes, noteUndelivered: config.webhookUrl !== '' },
  )
  const rooms = openRooms(config, engine, { log, clock, ids, pulse }, sweepMs)
  engine.onGap = () => {
    void log.sweep()
    void rooms.sweep()
  }
  engine.onStored = (name, head) => log.told(name, head)
  const tasks = openTasks(config, engine, { clock, ids, lines, events, rooms })
  const onError = (where: string) => (error: unknown) => lines.error({ err: error, where }, 'failed')
  const { ownership, bus } = engine
  const peers = ownership && new Peers({ bus, clock, ownership, onError: onError('nodes') })
  const shared = ownership && peers && { ownership, peers }
  const requests = new Requests(
    clock,
    { timeoutMs: config.requestMs, waitingMax: config.requestsWaiting, typesMax: config.requestTypes },
    lines.isLevelEnabled('debug') ? timeline(lines) : undefined,
    shared,
  )
  const errors = { onError: onError('pools'), onBookingError: onError('bookings') }
  const home = await openPools(config, { store: engine.pools, clock, random, ...errors }, shared)
  const pools = new PoolService(home)
  const bookings = new BookingService(home)
  const generate = readGenerator(config.generate)
  const generator = generate && new Generator(tasks, world, generate)
  const undelivered = config.webhookUrl === '' ? undefined : openUndelivered(config, log, world)
  return { ids, pulse, log, relay, direct, rooms, tasks, requests, pools, bookings, peers, generator, undelivered }
}

async function openPools(config: Config, parts: HomeParts, shared: SharedBy | undefined): Promise<PoolHome> {
  const limits = {
    ttlMs: config.holdMs,
    graceMs: config.holdGraceMs,
    poolsMax: config.pools,
    resourcesMax: config.resourcesPerPool,
    waitersMax: config.waitersPerPool,
    holdsPerOwnerMax: config.holdsPerConnection,
    bookingsMax: config.bookingsPerPool,
  }
  return shared === undefined ? OneHome.open(parts, limits) : new SharedHome({ ...parts, ...shared }, limits)
}

function openTasks(
  config: Config,
  engine: Engine,
  parts: { clock: Clock; ids: IdSource; lines: LogLines; events: Events; rooms: Rooms },
): Tasks {
  const { clock, ids, lines, events, rooms } = parts
  return new Tasks(
    {
      ...{ store: engine.tasks, clock, ids },
      onError: (error) => lines.error({ err: error, where: 'tasks' }, 'failed'),
      onProgress: (room, progress) => rooms.tellProgress(room, progress),
      onDead: tellDead(events),
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
}

function openRooms(
  config: Config,
  engine: Engine,
  tools: { log: Log; clock: Clock; ids: IdSource; pulse: Pulse },
  sweepMs: number,
): Rooms {
  const { rooms: directory, bus, presence, ownership } = engine
  return new Rooms(
    { ...tools, directory, bus, presence, ownership },
    {
      payloadBytesMax: config.payloadBytes,
      roomsPerUserMax: config.roomsPerUser,
      membersPerRoomMax: config.membersPerRoom,
      roomsPerHourMax: config.roomsPerHour,
      presenceGraceMs: config.presenceGraceMs,
      sweepMs,
    },
  )
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
