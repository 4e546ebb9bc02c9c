// The port that `log/` needs of an engine: append-only logs with consecutive offsets from 1, and named cursors in
// them. Conformance: engines/conformance/log-store.ts.

/** The name of a log: what it belongs to and whose it is (`room` + `lobby`, `user` + `anna`, `hook` + `undelivered`). */
export interface LogName {
  readonly kind: 'room' | 'user' | 'hook'
  /** 1 to 128 bytes of UTF-8. Any characters but NUL. */
  readonly id: string
}

/** An entry to append. */
export interface NewEntry {
  readonly log: LogName
  /** 20 characters, unique; within a log later entries have larger ids. */
  readonly id: string
  /** Wall time, milliseconds since 1970. */
  readonly time: number
  /** Up to 255 bytes of UTF-8 without NUL. '' is the application. */
  readonly sender: string
  /** The payload as JSON text, kept byte for byte. */
  readonly body: string
  /** An index within the log that the entry is filed under, besides its offset (a conversation partner). */
  readonly thread?: string
  /** Whether the entry counts as unread for the log's reader. */
  readonly counts: boolean
}

/** Entries stored together or not at all, once per client id. */
export interface Append {
  readonly entries: readonly NewEntry[]
  /** Makes a repeat harmless: the first log, the sender and this id (1 to 64 bytes) name the append for the window. */
  readonly clientId?: string
}

/** What became of one `Append`. */
export interface Appended {
  /** True: this client id was stored before; the positions are those of the first time and nothing was written. */
  readonly repeated: boolean
  readonly id: string
  readonly time: number
  /** One per entry, in order. */
  readonly offsets: readonly number[]
}

/** A message as the store has it. */
export interface Entry {
  readonly offset: number
  readonly id: string
  readonly time: number
  readonly sender: string
  readonly body: string
  readonly thread?: string
  readonly clientId?: string
  /** How many entries that count stand in the log up to and including this one. */
  readonly counted: number
}

/** Where a log stands. An unknown log is an empty one: first 1, head 0. */
export interface LogState {
  /** Changes when the log's past is not the past that a client knew. */
  readonly epoch: string
  /** The oldest offset kept. `head + 1` when nothing is. */
  readonly first: number
  /** The newest offset, 0 when there never was one. */
  readonly head: number
  /** The id of the entry at `head`, '' when there is none. */
  readonly headId: string
  /** How many entries that count were ever appended. */
  readonly counted: number
}

/** Bounds of a read; offsets are exclusive. Both directions answer oldest first. */
export type ReadRange =
  /** Upwards from the entry after `after`. */
  | { readonly after: number; readonly limit: number; readonly thread?: string }
  /** The `limit` newest entries below `before`. */
  | { readonly before: number; readonly limit: number; readonly thread?: string }

/** Offsets that cannot be read any more, both ends included. */
export interface MissingRange {
  readonly from: number
  readonly to: number
  /** `trimmed`: removed on purpose. `damaged`: the store lost or spoiled it. */
  readonly reason: 'trimmed' | 'damaged'
}

/** A page of a log, oldest first. */
export interface LogPage {
  /** Oldest first. At most `limit`, and about 1 MiB: a page may end early, `more` says so. */
  readonly entries: readonly Entry[]
  /** True: the range holds more entries, beyond the last (`after`) or before the first (`before`). */
  readonly more: boolean
  /** Offsets of the range that this page passed over because they cannot be served. */
  readonly missing: readonly MissingRange[]
  /** The log when it was read: page and state are one consistent view. */
  readonly state: LogState
}

/** A named place in a log. */
export interface Cursor {
  readonly name: string
  readonly offset: number
  /** When it last moved. */
  readonly time: number
}

/** A cursor that is to stand elsewhere. */
export interface CursorMove {
  readonly log: LogName
  /** 1 to 200 bytes of UTF-8 without NUL. */
  readonly name: string
  readonly offset: number
  readonly time: number
}

/** What was stored since a mark. */
export interface Changes {
  /** For the next question. */
  readonly mark: string
  /**
   * Where logs with new entries stand; some may have been told before. Undefined: the store cannot tell, there are too many, or
   * the mark is of another past. Then what is followed has to be compared.
   */
  readonly logs: readonly { readonly log: LogName; readonly head: number }[] | undefined
}

/** The port of direct messages and rooms: logs with consecutive offsets, and cursors in them. */
export interface LogStore {
  /**
   * Stores all appends, or none, in order; offsets within a log follow the order of calls.
   * Resolves when they are durable: a crash after that loses nothing, a crash before leaves all or nothing.
   * @throws NitkaError `conflict` a client id was used before for another payload; nothing of the call was stored
   * @throws NitkaError `unavailable` outcome unknown: repeat with the same client ids
   */
  append(appends: readonly Append[]): Promise<readonly Appended[]>

  /** One page of a log, with its state from the same snapshot. `limit` 1 to 500. An unknown log is empty. */
  read(log: LogName, range: ReadRange): Promise<LogPage>

  /** Where each log stands, in the order asked. */
  states(logs: readonly LogName[]): Promise<readonly LogState[]>

  /**
   * Which logs got entries since an earlier call, whoever stored them, and also when they were being stored then already.
   * @param mark of that call; undefined: there was none, and only a mark is wanted
   * @param most beyond so many stored batches, 1 to 1,000,000, it is not worth telling them
   */
  changes(mark: string | undefined, most: number): Promise<Changes>

  /** The offset of the entry with this id, undefined when the log does not hold it. */
  find(log: LogName, id: string): Promise<number | undefined>

  /** The log's cursors whose name begins with `prefix`, by name; at most 1,000. */
  cursors(log: LogName, prefix: string): Promise<readonly Cursor[]>

  /** Moves cursors forward; a smaller or equal offset changes nothing. Resolves when durable. */
  move(moves: readonly CursorMove[]): Promise<void>

  /** Removes all entries below `before`, a prefix only. Resolves when durable. Cursors stay. */
  trim(log: LogName, before: number): Promise<void>
}
