// Which engine a server gets: the embedded one, or, with Postgres and NATS, the cluster's.

import { type Config, natsFilesOf } from './config.ts'
import { openCluster } from './engines/cluster/engine.ts'
import { openEmbedded } from './engines/embedded/engine.ts'
import type { Engine } from './engines/engine.ts'
import type { LogLines } from './observe/log-lines.ts'
import { options } from './options.ts'
import { ownVersion } from './version.ts'
import type { World } from './world.ts'

/** @throws NitkaError one line for a person: what is wrong and what to do */
export function openEngine(config: Config, world: World, lines: LogLines): Promise<Engine> {
  return config.postgresUrl === '' ? embedded(config, world) : cluster(config, world, lines)
}

function embedded(config: Config, world: World): Promise<Engine> {
  return openEmbedded({
    dataDir: config.data,
    world,
    durability: config.durability === 'relaxed' ? 'relaxed' : 'disk',
    // Left alone, the engine also keeps 2 % of a large disk.
    ...(config.reserveBytes === options.reserveBytes.default ? {} : { reserveBytes: config.reserveBytes }),
    dedupeWindowMs: config.dedupeMs,
    queueTasks: config.queueTasks,
    doneMs: config.doneMs,
    acceptLoss: config.acceptLoss,
  })
}

function cluster(config: Config, world: World, lines: LogLines): Promise<Engine> {
  return openCluster({
    world,
    postgresUrl: config.postgresUrl,
    natsUrl: config.natsUrl,
    natsFiles: natsFilesOf(config),
    connectionsMax: config.postgresConnections,
    statementMs: config.postgresMs,
    sweepMs: config.sweepMs,
    dedupeWindowMs: config.dedupeMs,
    queueTasks: config.queueTasks,
    doneMs: config.doneMs,
    readyWithoutBus: config.readyWithoutBus,
    version: ownVersion(),
    onWarning: (text) => lines.warn(text),
    onError: (error) => lines.error({ err: error, where: 'engine' }, 'failed'),
  })
}
