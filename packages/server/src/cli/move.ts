// nitka move --to URL: the store of a data folder becomes the past of a cluster in Postgres.

import type { Config } from '../config.ts'
import { type Counts, Move } from '../engines/cluster/move.ts'
import type { WholeStore } from '../engines/embedded/whole.ts'
import { realClock } from '../world.ts'
import { countsText, openUnchanged } from './archive/store.ts'
import { type Command, readArguments, wrongUsage } from './command.ts'
import { Progress } from './progress.ts'
import { usage } from './usage.ts'

interface Asked {
  readonly config: Config
  readonly url: string
  readonly checkOnly: boolean
  readonly json: boolean
}

export async function move(args: readonly string[], command: Command): Promise<number> {
  const asked = usage((): Asked => {
    const { config, own, on } = readArguments(args, command.flags)
    const url = own.to ?? config.postgresUrl
    if (url === '') throw wrongUsage(command)
    return { config, url, checkOnly: on.has('check'), json: on.has('json') }
  })
  if (asked === undefined) return 2
  const store = await openUnchanged(asked.config)
  try {
    const target = await Move.open({ url: asked.url, clock: realClock, source: store })
    try {
      await carry(asked, store, target)
      return 0
    } finally {
      await target.close()
    }
  } finally {
    await store.close()
  }
}

async function carry({ config, url, checkOnly, json }: Asked, store: WholeStore, target: Move): Promise<void> {
  const total = await store.size()
  const startedAt = realClock.monotonic()
  const before = checkOnly ? 0 : await shown('moving', total, (told) => target.copy(told))
  const counts: Counts = await shown('comparing', total, (told) => target.check(told))
  const seconds = Number(((realClock.monotonic() - startedAt) / 1_000).toFixed(1))
  const to = placeOf(url)
  if (json) console.log(JSON.stringify({ data: config.data, to, counts, before, same: true, seconds }))
  else {
    const went = before === 0 ? '' : `; ${before} records were there before`
    console.log(`${config.data}: ${countsText(counts)}; the same in ${to}, after ${seconds} s${went}`)
  }
}

async function shown<Result>(
  what: string,
  total: number,
  work: (told: (records: number) => void) => Promise<Result>,
): Promise<Result> {
  const progress = new Progress(what, total, realClock)
  try {
    return await work((records) => progress.at(records, `${records} records`))
  } finally {
    progress.end()
  }
}

/** Without user and password. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}
