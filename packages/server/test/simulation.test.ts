// The whole server in one thread, by seed: real services, sessions, dialects and engine on a simulated clock, network and disk,
// users of every service, faults, and judges who know nothing of the server's code. The same seed is the same run.
//
//   npm test -- simulation                                   the ordinary seeds
//   NITKA_SEEDS=1000..2000 npm test -- simulation            others, as many as you like (`--timeout=3600` for many)
//
// One of them with every step printed: NITKA_SEEDS=17 NITKA_TRACE=1 npx node packages/server/test/simulation.test.ts

import assert from 'node:assert/strict'
import test from 'node:test'
import { runSeed, type Verdict } from '../testing/simulation/run.ts'

/** Run always, whatever range is asked for: each found a bug once, that its comment names. */
const foundSomething: readonly number[] = [
  4, // The client library lost an entry that stood right behind the answer of its join.
  14, // A TCP connection that read nothing was ended, and kept.
  147, // Who repeated over a plain socket was answered ahead of what was still to come.
  229, // A request that came in while the HTTP server closed was answered with something else than a problem document.
]

/** What a campaign has to have seen, or it has shown nothing. */
const interesting = [
  'kill',
  'cut',
  'freeze',
  'disk',
  'trim',
  'stop',
  'commit under way at the kill',
  'repeat after a crash',
  'lease over while its report was under way',
  'outbox limit',
  'behind, and caught up',
  'resume at a trimmed offset',
] as const

const [from = 1, to = from] = (process.env.NITKA_SEEDS ?? '1..150').split('..').map(Number)
const seeds = new Set([...Array.from({ length: to - from + 1 }, (_, i) => from + i), ...foundSomething])

function tell({ seed, violations }: Verdict): string {
  const shown = violations.slice(0, 10).map((violation) => `\n  ${violation}`)
  return `seed ${seed}: ${violations.length} violations, repeat with NITKA_SEEDS=${seed} npm test -- simulation${shown.join('')}`
}

test('whatever fails and whenever, every service keeps its promises, and nothing is left when all have gone', async (t) => {
  const sometimes: Record<string, number> = {}
  const failed: string[] = []
  for (const seed of seeds) {
    const verdict = await runSeed(seed, process.env.NITKA_TRACE !== undefined)
    if (verdict.violations.length > 0) failed.push(tell(verdict))
    for (const [state, count] of Object.entries(verdict.sometimes)) sometimes[state] = (sometimes[state] ?? 0) + count
  }
  t.diagnostic(`${seeds.size} seeds: ${JSON.stringify(sometimes)}`)
  if (failed.length > 0) assert.fail(failed.join('\n'))
  if (seeds.size < 100) return
  const never = interesting.filter((state) => sometimes[state] === undefined)
  assert.deepEqual(never, [], 'reached by no seed')
})

test('the same seed is the same run, step by step', async () => {
  for (const seed of [1, 2, 3]) {
    const [one, other] = [await runSeed(seed), await runSeed(seed)]
    assert.equal(one.traceHash, other.traceHash, `seed ${seed}`)
  }
})
