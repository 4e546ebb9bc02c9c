// Postgres and NATS: whether they answer, whether they are new enough, and what a confirmation is worth there.

import { type Config, natsFilesOf } from '../../config.ts'
import { Database } from '../../engines/cluster/database.ts'
import { findDurability } from '../../engines/cluster/durability.ts'
import { NatsBus } from '../../engines/cluster/nats-bus.ts'
import type { Clock } from '../../world.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const postgresMin = 15
/** Older ones have faults that let anybody who reaches them end them. */
const natsMin = [2, 12, 12] as const
const skewMaxMs = 5_000

export async function clusterFindings(config: Config, clock: Clock): Promise<Finding[]> {
  const found = await Promise.all([postgresFindings(config, clock), natsFindings(config)])
  return found.flat()
}

async function postgresFindings({ postgresUrl, postgresMs }: Config, clock: Clock): Promise<Finding[]> {
  const database = new Database({ url: postgresUrl, clock, connectionsMax: 1, statementMs: postgresMs })
  try {
    const sentAt = clock.now()
    const [seen] = await database.run<{
      version: number
      now: number
      most: number
      used: number
      schema: boolean
      move: boolean
    }>(
      `select current_setting('server_version_num')::int / 10000 as version,
              (extract(epoch from clock_timestamp()) * 1000)::bigint as now,
              current_setting('max_connections')::int as most,
              (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as used,
              to_regclass('nitka.migrations') is not null as schema, to_regclass('nitka.move') is not null as move`,
    )
    if (seen === undefined) return [fail('Postgres', 'answers nothing', 'look at its log')]
    const findings = [versionFinding(seen.version, seen.schema), connectionsFinding(seen.most - seen.used)]
    if (seen.move) findings.push(...(await moveFindings(database)))
    const { weak, durability } = await findDurability(database)
    const todo = 'set it to on in postgresql.conf, unless what is confirmed may be lost'
    findings.push(weak === undefined ? ok('durability', durability) : warn('durability', weak, todo))
    const skewMs = Math.abs(seen.now - (sentAt + clock.now()) / 2)
    const says = `Postgres' clock is ${Math.round(skewMs)} ms off this machine's`
    findings.push(skewMs > skewMaxMs ? warn('clocks', says, 'run an NTP client on both') : ok('clocks', says))
    return findings
  } catch (error) {
    return [fail('Postgres', reasonOf(error), 'start it, or mend --postgres-url')]
  } finally {
    await database.close().catch(() => undefined)
  }
}

function versionFinding(version: number, schema: boolean): Finding {
  const says = `version ${version}, ${schema ? 'with a schema of nitka' : 'without a schema yet; the first start makes it'}`
  return version < postgresMin ? fail('Postgres', says, `use ${postgresMin} or later`) : ok('Postgres', says)
}

/** Nothing, as a rule. */
async function moveFindings(database: Database): Promise<Finding[]> {
  const [row] = await database.run('select from nitka.move where ended is null')
  const todo = 'run nitka move again, it goes on where it was'
  return row === undefined ? [] : [fail('move', 'a store is being moved into the database; no node starts', todo)]
}

function connectionsFinding(free: number): Finding {
  const says = `${free} connections to Postgres are free`
  return free < 20
    ? warn('connections', says, 'raise max_connections, or lower --postgres-connections')
    : ok('connections', says)
}

async function natsFindings(config: Config): Promise<Finding[]> {
  const quiet = { onGap: () => undefined, onError: () => undefined }
  try {
    const bus = await NatsBus.open({ url: config.natsUrl, files: natsFilesOf(config), ...quiet })
    const { version } = bus
    await bus.close()
    const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
    const older = [major - natsMin[0], minor - natsMin[1], patch - natsMin[2]].find((part) => part !== 0) ?? 0
    const says = `version ${version}`
    if (older >= 0) return [ok('NATS', says)]
    return [
      warn('NATS', says, `use ${natsMin.join('.')} or later: older ones have known holes; let only nodes reach it`),
    ]
  } catch (error) {
    return [fail('NATS', reasonOf(error), 'start it, or mend --nats-url')]
  }
}

function reasonOf(thrown: unknown): string {
  const { cause, message } = thrown as Error
  return (cause instanceof Error ? cause.message : message).replaceAll('\n', ' ')
}
