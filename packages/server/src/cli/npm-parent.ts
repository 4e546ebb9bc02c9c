// Commands that npm started, as `npx nitka serve`. npm passes SIGTERM on to the shell between, which dies of it and says nothing to
// us: without this the server would stay, with its port and its data folder.

import { realClock } from '../world.ts'

const lookMs = 250

/** Calls `orphaned` once when npm started this process and whoever is between is gone. */
export function onOrphaned(orphaned: () => void): void {
  if (process.env.npm_command === undefined) return
  const parent = process.ppid
  const timer = realClock.every(lookMs, () => {
    if (process.ppid === parent) return
    timer.cancel()
    orphaned()
  })
}
