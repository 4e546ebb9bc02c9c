// What the users saw and did, for the judge. A reply that was lost is an unknown outcome, never a failure. Times are
// milliseconds of the simulation.

export type Outcome = 'ok' | 'fail' | 'unknown'

export interface Try {
  readonly start: number
  /** When the answer came. */
  end?: number
  readonly connection: number
  /** Which life of the server it was. */
  readonly life: number
  outcome: Outcome
  id?: string
  offset?: number
  repeated?: boolean
}

/** One message of a user, however often it was sent. */
export interface Sending {
  readonly service: 'direct' | 'rooms'
  readonly from: string
  /** A user, or a room. */
  readonly to: string
  readonly clientId: string | undefined
  /** Nobody else's. */
  readonly text: string
  readonly tries: Try[]
}

export interface Entry {
  readonly offset: number
  readonly id: string
  readonly from: string
  readonly to: string
  readonly text: string
}

/** What came on one connection, of one log. */
export interface Hearing {
  readonly reader: string
  /** `user:anna`, `room:lobby`. */
  readonly log: string
  readonly connection: number
  /** Everything after this offset was promised, unless it was trimmed; undefined: whatever is pending. */
  readonly after: number | undefined
  /** False: one's own copies of what one sent are left out. */
  readonly whole: boolean
  /** Up to here it was said to be trimmed. */
  trimmed: number
  readonly entries: Entry[]
}

/** A connection in a channel of the relay. */
export interface RelayPlace {
  readonly channel: string
  readonly connection: number
  readonly from: number
  /** When it broke or ended, as far as anybody may know; infinity when it did not. */
  readonly until: () => number
}

export interface RelayEvent {
  readonly kind: 'sent' | 'heard'
  readonly at: number
  readonly channel: string
  readonly connection: number
  readonly text: string
  readonly binary: boolean
}

export interface Adding {
  readonly key: string
  readonly maxAttempts: number
  readonly tries: Try[]
}

/** A task as a worker got it. Times of leases are those of the server. */
export interface LeaseSeen {
  readonly task: string
  readonly attempt: number
  readonly token: string
  readonly worker: string
  readonly connection: number
  readonly at: number
  /** When it was given, as far as its end and its length say. */
  readonly begun: number
  /** When it ends, renewals included. */
  ends: number
  /** It was said to be lost, or its connection ended. */
  over?: number
  /** The same for all of a batch: when they end, as they were told. */
  readonly batch: string
  /** How many the worker wanted at once. */
  readonly size: number
}

export interface Reporting {
  readonly task: string
  /** Undefined: it named the task alone. */
  readonly token: string | undefined
  readonly kind: 'done' | 'failed'
  readonly start: number
  readonly life: number
  end?: number
  /** As it was answered. */
  answer?: string
}

export interface Asking {
  readonly connection: number
  readonly index: number
  readonly type: string
  readonly text: string
  readonly at: number
  readonly answers: unknown[]
  /** The connection ended before an answer. */
  dropped: boolean
  /** When the server saw the end of the connection. */
  readonly goneAt: () => number
}

/** One run of an executor. */
export interface Execution {
  readonly type: string
  readonly text: string
  readonly asker: number
  readonly life: number
  readonly start: number
  end: number | undefined
}

export interface Holding {
  readonly hold: string
  readonly pool: string
  readonly resources: readonly string[]
  readonly token: number
  /** When it was asked for, and when it was answered. */
  readonly asked: number
  readonly start: number
  /** It was taken over from the connection before. */
  readonly attached: boolean
  /** Up to then it is certainly this user's. */
  until: number
}

/** What an auditor read in the end. */
export interface Final {
  readonly logs: Map<string, readonly Entry[]>
  readonly tasks: Map<string, FinalTask>
  queues: readonly { readonly queue: string; readonly [count: string]: unknown }[]
  readonly pools: Map<string, { total: number; free: number; holding: number; waiters: number }>
  metrics: string
}

export interface FinalTask {
  readonly id: string
  readonly key?: string
  readonly state: string
  readonly attempt: number
  readonly failures: number
  readonly maxAttempts: number
  readonly attempts: readonly { readonly number: number; readonly outcome?: string }[]
}

export class History {
  readonly sendings: Sending[] = []
  readonly hearings: Hearing[] = []
  readonly relayed: RelayEvent[] = []
  readonly relayPlaces: RelayPlace[] = []
  /** When faults were over. */
  healedAt = Number.POSITIVE_INFINITY
  readonly addings: Adding[] = []
  /** What was to happen together. */
  readonly batches: (readonly (Sending | Adding)[])[] = []
  readonly leases: LeaseSeen[] = []
  readonly reports: Reporting[] = []
  readonly asked: Asking[] = []
  readonly executions: Execution[] = []
  readonly holdings: Holding[] = []
  /** By log, the offset up to which it was trimmed. */
  readonly trims = new Map<string, number>()
  readonly final: Final = { logs: new Map(), tasks: new Map(), queues: [], pools: new Map(), metrics: '' }
  /** Users of the plain dialect who confirm, and from which offset on that counts. */
  readonly confirming = new Map<string, number>()
  /** What somebody saw that must not be. */
  readonly violations: string[] = []
  /** Interesting states that were reached, and how often. */
  readonly sometimes: Record<string, number> = {}

  wrong(what: string): void {
    this.violations.push(what)
  }

  reached(state: string): void {
    this.sometimes[state] = (this.sometimes[state] ?? 0) + 1
  }
}
