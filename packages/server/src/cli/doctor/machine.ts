// The machine: Node, memory, open files, the clock.

import { readFileSync } from 'node:fs'
import { parseJson } from '@nitka/protocol'
import type { Config } from '../../config.ts'
import { memoryMost, outboxBudget } from '../../memory.ts'
import { type Clock, sleep } from '../../world.ts'
import { bytesText, type Finding, fail, ok, warn } from './finding.ts'

/** Of the process itself, besides what waits for connections. */
const ownBytes = 256 * 2 ** 20
/** Files of the store, and sockets that are no connections of clients. */
const ownFiles = 256
const clockWatchMs = 500
const clockDriftMs = 50
const [yearMin, yearMax] = [2025, 2100]

export function nodeFinding(): Finding {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  const { engines } = parseJson(text) as { readonly engines: { readonly node: string } }
  const needed = engines.node.replace('>=', '')
  const [now, least] = [process.versions.node, needed].map((version) => version.split('.').map(Number))
  const first = (least ?? []).findIndex((part, i) => part !== now?.[i])
  const older = first !== -1 && (now?.[first] ?? 0) < (least?.[first] ?? 0)
  if (!older) return ok('Node', process.versions.node)
  return fail('Node', `${process.versions.node} is too old`, `install Node ${needed} or later`)
}

export function memoryFinding(config: Config): Finding {
  const outboxTotalBytes = outboxBudget(config)
  const { bytes: most, limited } = memoryMost()
  const whose = limited ? 'the limit of this container or service' : 'this machine'
  if (outboxTotalBytes === 0) {
    const says = `outbox-total-bytes is 0: clients that read slowly may use all of the ${bytesText(most)} of ${whose}`
    return warn('memory', says, 'set --outbox-total-bytes')
  }
  const wanted = outboxTotalBytes + ownBytes
  if (wanted <= most)
    return ok('memory', `${bytesText(most)} (${whose}), outboxes take up to ${bytesText(outboxTotalBytes)}`)
  const says = `outboxes may take ${bytesText(outboxTotalBytes)}, and the server ${bytesText(ownBytes)}; ${whose} has ${bytesText(most)}`
  return warn('memory', says, 'raise the limit, or lower --outbox-total-bytes')
}

export function filesFinding({ connections }: Config): Finding {
  const limit = openFilesMax()
  if (limit === undefined) return ok('open files', 'this system does not say how many it allows')
  const text = limit === Number.POSITIVE_INFINITY ? 'any number' : `${limit}`
  if (connections === 0) {
    const says = `${text} allowed, and connections is 0: the limit ends them, not the server`
    return limit > 100_000 ? ok('open files', says) : warn('open files', says, 'set --connections below the limit')
  }
  if (limit >= connections + ownFiles) return ok('open files', `${text} allowed for up to ${connections} connections`)
  const todo = `raise it to ${connections + ownFiles} (ulimit -n, LimitNOFILE=), or set --connections ${Math.max(1, limit - ownFiles)}`
  return warn('open files', `${text} allowed, fewer than ${connections} connections need`, todo)
}

function openFilesMax(): number | undefined {
  try {
    const found = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return found === 'unlimited' ? Number.POSITIVE_INFINITY : found === undefined ? undefined : Number(found)
  } catch {
    return undefined
  }
}

/** Watches it for half a second. */
export async function clockFinding(clock: Clock): Promise<Finding> {
  const begun = { wall: clock.now(), steady: clock.monotonic() }
  await sleep(clock, clockWatchMs)
  const drift = clock.now() - begun.wall - (clock.monotonic() - begun.steady)
  const year = new Date(begun.wall).getUTCFullYear()
  const time = new Date(begun.wall).toISOString()
  if (year < yearMin || year > yearMax) {
    return fail('clock', `it is ${time}, says the clock`, 'set it: every message carries its time')
  }
  if (Math.abs(drift) > clockDriftMs) {
    const says = `the clock moved by ${Math.round(drift)} ms within ${clockWatchMs} ms`
    return warn('clock', says, 'let one service alone set it, slowly (chrony, systemd-timesyncd)')
  }
  return ok('clock', `${time}, and steady`)
}
