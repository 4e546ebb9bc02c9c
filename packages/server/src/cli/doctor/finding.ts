// What the doctor says about one thing.

export interface Finding {
  /** What was looked at, one word or two. */
  readonly check: string
  /** `fail`: the server does not start like that, or loses what it confirmed. `warn`: it runs, and somebody should know. */
  readonly state: 'ok' | 'warn' | 'fail'
  readonly says: string
  /** What to do, when there is something. */
  readonly todo?: string
}

export function ok(check: string, says: string): Finding {
  return { check, state: 'ok', says }
}

export function warn(check: string, says: string, todo: string): Finding {
  return { check, state: 'warn', says, todo }
}

export function fail(check: string, says: string, todo: string): Finding {
  return { check, state: 'fail', says, todo }
}

/** `1.5 GiB`. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1_024 ** power
  return `${value >= 100 || power === 0 ? Math.round(value) : Number(value.toFixed(1))} ${units[power]}`
}
