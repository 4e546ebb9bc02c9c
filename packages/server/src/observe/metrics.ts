// The metrics as they are scraped: every series of the table, what the process says of itself, and the duration of commits.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry as PromRegistry } from 'prom-client'
import type { Observed, Series } from './observed.ts'
import { series } from './series.ts'

/** The histogram of commits; `nitka_store_commit_seconds`. */
const commitMetric = 'nitka_store_commit_seconds'

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
}

export function openMetrics(seen: Observed): Metrics {
  const registry = new PromRegistry()
  collectDefaultMetrics({ register: registry })
  for (const [name, one] of Object.entries(series)) register(registry, name, one, seen)
  const commits = new Histogram({
    name: commitMetric,
    help: 'Duration of commits, with their sync.',
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [registry],
  })
  seen.engine.onCommit = (ms) => commits.observe(ms / 1000)
  return { contentType: registry.contentType, text: () => registry.metrics() }
}

function register(registry: PromRegistry, name: string, one: Series, seen: Observed): void {
  const labelNames = one.label === undefined ? [] : [one.label]
  const kind = { name, help: one.help, labelNames, registers: [registry] }
  if (one.type === 'gauge')
    new Gauge({
      ...kind,
      collect() {
        each(one, seen, (labels, value) => this.set(labels, value))
      },
    })
  else
    new Counter({
      ...kind,
      collect() {
        this.reset()
        each(one, seen, (labels, value) => this.inc(labels, value))
      },
    })
}

function each(one: Series, seen: Observed, give: (labels: Record<string, string>, value: number) => void): void {
  const value = one.read(seen)
  if (typeof value === 'number') return give({}, value)
  for (const [key, part] of Object.entries(value)) give(one.label === undefined ? {} : { [one.label]: key }, part)
}
