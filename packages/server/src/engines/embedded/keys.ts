// Every key of the store. A key is the name of its space as LevelDB sublevels would write it (`!entry!`), then its parts:
// names with their length in one byte before them unless they come last, so that no name can reach into another's range
// (`a` and `ab`, any characters), numbers big-endian, so that byte order is their order. Prefixes are written by hand:
// a sublevel copies every key once more and costs a tenth of the write path. docs/storage.md lists the spaces.

import { NitkaError } from '@nitka/protocol'
import type { LogName } from '../../log/log-store.ts'
import { nameBytes } from '../names.ts'

/** The spaces, by what they hold. */
export const spaces = {
  meta: Buffer.from('!meta!'),
  chain: Buffer.from('!chain!'),
  log: Buffer.from('!log!'),
  entry: Buffer.from('!entry!'),
  thread: Buffer.from('!thread!'),
  cursor: Buffer.from('!cursor!'),
  dedupe: Buffer.from('!dedupe!'),
  expiry: Buffer.from('!expiry!'),
  trim: Buffer.from('!trim!'),
  room: Buffer.from('!room!'),
  member: Buffer.from('!member!'),
  joined: Buffer.from('!joined!'),
  user: Buffer.from('!user!'),
  queue: Buffer.from('!queue!'),
  lane: Buffer.from('!lane!'),
  task: Buffer.from('!task!'),
  status: Buffer.from('!status!'),
  ready: Buffer.from('!ready!'),
  delayed: Buffer.from('!delayed!'),
  claim: Buffer.from('!claim!'),
  lease: Buffer.from('!lease!'),
  done: Buffer.from('!done!'),
  dead: Buffer.from('!dead!'),
  once: Buffer.from('!once!'),
  pool: Buffer.from('!pool!'),
} as const

/** Offsets and times are written in six bytes. */
export const numberMax = 2 ** 48 - 1

/** The log in a key: kind, length, id. */
export function logBytes(log: LogName): Buffer {
  const id = nameBytes(log.id, 'log', 128)
  return Buffer.concat([Buffer.from([kindByte[log.kind], id.length]), id])
}

/** `r`, `u`, `h`. */
const kindByte = { room: 0x72, user: 0x75, hook: 0x68 } as const satisfies Record<LogName['kind'], number>
const kinds = Object.keys(kindByte) as LogName['kind'][]

/** The log whose `logBytes` stand in `key` from `at`. */
export function readLogName(key: Buffer, at: number): LogName {
  const length = key[at + 1] ?? 0
  const kind = kinds.find((one) => kindByte[one] === key[at])
  if (kind === undefined) throw new NitkaError('damaged', 'a key of the store names no kind of log')
  return { kind, id: key.toString('utf8', at + 2, at + 2 + length) }
}

/** A name with its length before it. */
export function counted(name: Buffer): Buffer {
  return Buffer.concat([Buffer.from([name.length]), name])
}

/** A number in six bytes that sort like it. Larger ones are cut to the largest. */
export function ordered(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUIntBE(Math.min(value, numberMax), 0, 6)
  return bytes
}

export function key(space: Buffer, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([space, ...parts])
}

/** The first key after all keys that begin with `prefix`. */
export function beyond(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0
    if (byte < 0xff) {
      end[i] = byte + 1
      return end.subarray(0, i + 1)
    }
  }
  return end
}

/** The first key after `exact`. */
export function justAfter(exact: Buffer): Buffer {
  return Buffer.concat([exact, Buffer.from([0])])
}

/** The number in the last six bytes of a key. */
export function lastNumber(from: Buffer): number {
  return from.readUIntBE(from.length - 6, 6)
}
