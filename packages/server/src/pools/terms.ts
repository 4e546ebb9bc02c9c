// What pools are opened with, and what is asked of them.

import type { Clock, Random } from '../world.ts'
import type { PoolStore } from './pool-store.ts'

export interface PoolsOptions {
  /** How long a hold is kept that does not say, milliseconds. */
  readonly ttlMs: number
  /** How long a hold outlives its connection when that did not say goodbye. */
  readonly graceMs: number
  /** 0: no limit, for each. */
  readonly poolsMax: number
  readonly resourcesMax: number
  readonly waitersMax: number
  readonly holdsPerOwnerMax: number
}

/** Names of connections, for records that outlive the node that writes them. */
export interface ConnectionNames {
  nameOf(owner: object): string
  /** The connection of that name, be it there or not. */
  named(name: string): object
}

export interface PoolsParts {
  readonly store: PoolStore
  readonly clock: Clock
  readonly random: Random
  /** Something in the background failed. */
  readonly onError: (error: unknown) => void
  /** Absent: connections do not outlive this process, and records do not name them. */
  readonly connections?: ConnectionNames
}

/** Who asks. */
export interface Holder {
  readonly user: string
  /** The connection; undefined: there is none that stays, so holds last until their time. */
  readonly owner: object | undefined
}

/** What is to be held, and for how long. */
export interface Acquire {
  readonly pool: string
  /** How many resources, default 1. */
  readonly count?: number
  /** How long the hold lasts, default `holdMs`, and how long to wait in line, default 0: an error at once. Milliseconds. */
  readonly ttl?: number
  readonly wait?: number
  /** True: it outlives its connection. */
  readonly detached?: boolean
}

/** The id of a hold or a booking: 128 random bits, hex. */
export function newId(random: Random): string {
  return Buffer.from(random.bytes(16)).toString('hex')
}
