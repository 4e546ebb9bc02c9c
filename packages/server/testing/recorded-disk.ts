// What a process asked of the disk, recorded, and what the disk may hold when the power fails at some moment of that. What was
// synced is there. Of the rest any part may be: each file ends anywhere in what was written to it, or is as long as it was
// with zeros in it, and names that were made, changed or removed last are as before.
//
// Two kinds of disk. `journal`: all names reach it in the order in which they were changed, and syncing a file syncs its name, as on
// ext4, XFS and Btrfs. `posix`: the names of one folder reach it in their order, each folder for itself, and are on it only when
// that folder was synced.

import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type SystemCall, textsOf } from './strace.ts'

export type DiskKind = 'journal' | 'posix'

interface Span {
  readonly begun: number
  readonly ended: number
}

interface FileWrite extends Span {
  readonly at: number
  /** Undefined: it made the file `at` bytes long. */
  readonly bytes: Buffer | undefined
}

interface RecordedFile {
  readonly kind: 'file'
  readonly writes: FileWrite[]
  readonly syncs: Span[]
}

interface RecordedFolder {
  readonly kind: 'folder'
  readonly names: Map<string, Recorded>
  readonly syncs: Span[]
}

type Recorded = RecordedFile | RecordedFolder

/** A change of names, of which a disk has all or nothing. */
interface Naming extends Span {
  readonly folder: RecordedFolder
  readonly set: readonly (readonly [name: string, to: Recorded | undefined])[]
}

interface Opened {
  readonly what: Recorded
  position: number
}

/** The calls that matter, for strace. */
export const recordedCalls = [
  ...[
    'open',
    'openat',
    'creat',
    'close',
    'write',
    'pwrite64',
    'writev',
    'pwritev',
    'ftruncate',
    'fallocate',
    'truncate',
  ],
  ...['fdatasync', 'fsync', 'sync_file_range', 'rename', 'renameat', 'renameat2', 'link', 'linkat'],
  ...['unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir', 'copy_file_range', 'sendfile'],
]

/** The folder `root`, and what was done in it. What is in it already is on disk. */
export class RecordedDisk {
  /** The moments at which names changed or something was synced: where mistakes are. */
  readonly turns: number[] = []
  /** What was written to standard output, and when that began. */
  readonly told: { readonly at: number; readonly text: string }[] = []
  /** No moment is later. */
  end = 0
  readonly #root: string
  readonly #folder: RecordedFolder
  readonly #namings: Naming[] = []
  /** The names that were there in the beginning. */
  readonly #first = new Map<RecordedFolder, ReadonlyMap<string, Recorded>>()

  constructor(root: string) {
    this.#root = root
    this.#folder = this.#found(root)
  }

  #found(path: string): RecordedFolder {
    const names = new Map<string, Recorded>()
    for (const name of readdirSync(path)) {
      const below = join(path, name)
      if (statSync(below).isDirectory()) names.set(name, this.#found(below))
      else {
        const write = { begun: -2, ended: -2, at: 0, bytes: readFileSync(below) }
        names.set(name, { kind: 'file', writes: [write], syncs: [{ begun: -1, ended: -1 }] })
      }
    }
    const folder: RecordedFolder = { kind: 'folder', names, syncs: [] }
    this.#first.set(folder, new Map(names))
    return folder
  }

  /** Another process, after those before. */
  add(calls: readonly SystemCall[]): void {
    const shift = this.end
    const handles = new Map<number, Opened>()
    const moment = (call: SystemCall) => (call.name === 'openat' ? call.ended : call.begun)
    for (const call of calls.toSorted((one, other) => moment(one) - moment(other))) {
      const last = call.ended === Infinity ? call.begun : call.ended
      this.end = Math.max(this.end, shift + last + 1)
      this.#take({ ...call, begun: call.begun + shift, ended: call.ended + shift }, handles)
    }
  }

  /** The moment from which on a file whose name matches has `text` on disk. Infinity: never. */
  syncedFrom(names: RegExp, text: string): number {
    let first = Infinity
    for (const { set } of this.#namings) {
      for (const [name, what] of set) {
        if (what?.kind !== 'file' || !names.test(name)) continue
        const write = what.writes.find(({ bytes }) => bytes?.includes(text))
        const sync = write && what.syncs.find(({ begun }) => begun > write.ended)
        first = Math.min(first, sync?.ended ?? Infinity)
      }
    }
    return first
  }

  /** Puts into the folder `to` what a disk may hold after the moment `at`. Says what became of what was not synced. */
  restore(at: number, kind: DiskKind, random: () => number, to: string): string {
    const mood = random()
    const said: string[] = []
    const tree = this.#namesAt(at, kind, mood, random, said)
    const write = (folder: RecordedFolder, path: string): void => {
      mkdirSync(path, { recursive: true })
      for (const [name, what] of tree.get(folder) ?? []) {
        if (what.kind === 'folder') write(what, join(path, name))
        else
          writeFileSync(
            join(path, name),
            contentAt(what, at, mood, random, (how) => said.push(`${name} ${how}`)),
          )
      }
    }
    write(this.#folder, to)
    return said.join(', ')
  }

  #take(call: SystemCall, handles: Map<number, Opened>): void {
    const { name, text, result, begun, ended } = call
    const handle = Number(/^\d+/.exec(text)?.[0])
    const opened = handles.get(handle)
    if (/^(write|pwrite64)$/.test(name)) {
      const bytes = textsOf(call)[0] ?? Buffer.alloc(0)
      if (handle === 1) this.told.push({ at: begun, text: bytes.toString() })
      if (opened?.what.kind !== 'file' || (result ?? 0) < 0) return
      const written = bytes.subarray(0, result ?? bytes.length)
      const where = name === 'write' ? opened.position : Number(/(\d+)$/.exec(text)?.[1])
      if (name === 'write') opened.position += written.length
      opened.what.writes.push({ begun, ended, at: where, bytes: written })
    } else if (/^(fdatasync|fsync)$/.test(name)) {
      if (opened === undefined || result !== 0) return
      opened.what.syncs.push({ begun, ended })
      this.turns.push(begun, ended)
    } else if (name === 'ftruncate') {
      const size = Number(/(\d+)$/.exec(text)?.[1])
      if (opened?.what.kind !== 'file' || result !== 0 || size === written(opened.what.writes).length) return
      opened.what.writes.push({ begun, ended, at: size, bytes: undefined })
    } else if (name === 'close') handles.delete(handle)
    else if (/^(openat|rename|unlink|mkdir|link|rmdir)/.test(name)) {
      if ((result ?? -1) >= 0) this.#name(call, handles)
    } else if (opened !== undefined) throw new Error(`the recorder does not know ${name}`)
  }

  #name(call: SystemCall, handles: Map<number, Opened>): void {
    const { name, text, result = -1, begun, ended } = call
    const [path = '', other = ''] = textsOf(call).map(String)
    const place = this.#place(path)
    const set = (at: typeof place, what: Recorded | undefined): void => {
      if (at === undefined) return
      if (what === undefined) at.folder.names.delete(at.name)
      else at.folder.names.set(at.name, what)
      changes.push({ folder: at.folder, name: at.name, what })
    }
    const changes: { folder: RecordedFolder; name: string; what: Recorded | undefined }[] = []
    if (name.startsWith('openat')) {
      let what = this.#find(path)
      if (what === undefined && place !== undefined && text.includes('O_CREAT')) {
        what = { kind: 'file', writes: [], syncs: [] }
        set(place, what)
      } else if (what?.kind === 'file' && text.includes('O_TRUNC')) {
        what.writes.push({ begun, ended, at: 0, bytes: undefined })
      }
      if (what !== undefined) handles.set(result, { what, position: 0 })
    } else if (name.startsWith('mkdir')) set(place, { kind: 'folder', names: new Map(), syncs: [] })
    else if (/^(unlink|rmdir)/.test(name)) set(place, undefined)
    else {
      set(this.#place(other), this.#find(path))
      if (name.startsWith('rename')) set(place, undefined)
    }
    if (changes.length === 0) return
    for (const [folder, those] of Map.groupBy(changes, (change) => change.folder)) {
      this.#namings.push({ begun, ended, folder, set: those.map(({ name, what }) => [name, what]) })
    }
    this.turns.push(begun, ended)
  }

  #find(path: string): Recorded | undefined {
    const inside = relative(this.#root, path)
    if (inside.startsWith('..')) return undefined
    let at: Recorded | undefined = this.#folder
    for (const name of inside.split('/').filter((part) => part !== '')) {
      at = at?.kind === 'folder' ? at.names.get(name) : undefined
    }
    return at
  }

  #place(path: string): { folder: RecordedFolder; name: string } | undefined {
    const folder = this.#find(dirname(path))
    return folder?.kind === 'folder' ? { folder, name: path.slice(path.lastIndexOf('/') + 1) } : undefined
  }

  #namesAt(at: number, kind: DiskKind, mood: number, random: () => number, said: string[]) {
    const begun = this.#namings.filter((naming) => naming.begun <= at)
    const tree = new Map([...this.#first].map(([folder, names]) => [folder, new Map(names)]))
    const groups = kind === 'journal' ? [begun] : Map.groupBy(begun, ({ folder }) => folder).values()
    for (const group of groups) {
      const synced = group.findLastIndex((naming) => isSynced(naming, at, kind)) + 1
      const count = synced + pick(group.length - synced, mood, random)
      if (count < group.length) said.push(`${group.length - count} names short`)
      for (const { folder, set } of group.slice(0, count)) {
        const names = tree.get(folder) ?? new Map<string, Recorded>()
        tree.set(folder, names)
        for (const [name, what] of set) {
          if (what === undefined) names.delete(name)
          else names.set(name, what)
        }
      }
    }
    return tree
  }
}

function isSynced(naming: Naming, at: number, kind: DiskKind): boolean {
  const by = (what: Recorded | undefined) =>
    what?.syncs.some((sync) => naming.ended < sync.begun && sync.ended <= at) === true
  return by(naming.folder) || (kind === 'journal' && naming.set.some(([, what]) => by(what)))
}

/** How many of so many that may be lost are there: all, none, or some. */
function pick(count: number, mood: number, random: () => number): number {
  if (mood < 0.1) return count
  if (mood < 0.2) return 0
  const chance = random()
  return chance < 0.3 ? count : chance < 0.6 ? 0 : Math.floor(random() * (count + 1))
}

function syncedWrites(file: RecordedFile, at: number): number {
  const sync = file.syncs.findLast(({ ended }) => ended <= at)
  return sync === undefined ? 0 : file.writes.findLastIndex(({ ended }) => ended < sync.begun) + 1
}

function contentAt(file: RecordedFile, at: number, mood: number, random: () => number, say: (how: string) => void) {
  const begun = file.writes.filter((write) => write.begun <= at).length
  const emptied = file.writes.findLastIndex(({ begun, bytes }) => begun <= at && bytes === undefined)
  let synced = syncedWrites(file, at)
  if (emptied >= synced) {
    if (random() < 0.3) return written(file.writes.slice(0, emptied))
    synced = emptied + 1
  }
  const sure = written(file.writes.slice(0, synced))
  const all = written(file.writes.slice(0, begun))
  if (begun === synced) return sure
  if (sure.length === all.length) {
    // Written in place, within a sector of a disk: one of its states.
    const count = pick(begun - synced, mood, random)
    say(`${count} of ${begun - synced} writes`)
    return written(file.writes.slice(0, synced + count))
  }
  const how = mood < 0.1 ? 0 : mood < 0.2 ? 1 : Math.floor(random() * 6)
  if (how === 0) return all
  const size = sure.length + Math.floor(random() * (all.length - sure.length + 1))
  say(['', 'as synced', `cut to ${size}`, 'cut to a page', `zeros from ${size}`, 'with holes'][how] ?? '')
  if (how === 1) return sure
  if (how === 2) return all.subarray(0, size)
  if (how === 3) return all.subarray(0, Math.max(sure.length, size - (size % 4_096)))
  if (how === 4) return Buffer.from(all).fill(0, size)
  const unit = random() < 0.5 ? 512 : 4_096
  const holed = Buffer.from(all)
  for (let from = sure.length; from < all.length; from += unit - (from % unit)) {
    if (random() < 0.5) holed.fill(0, from, Math.min(all.length, from + unit - (from % unit)))
  }
  return holed
}

function written(writes: readonly FileWrite[]): Buffer {
  const most = writes.reduce((size, { at, bytes }) => Math.max(size, at + (bytes?.length ?? 0)), 0)
  const all = Buffer.alloc(most)
  let size = 0
  for (const { at, bytes } of writes) {
    if (bytes === undefined) all.fill(0, at)
    else bytes.copy(all, at)
    size = bytes === undefined ? at : Math.max(size, at + bytes.length)
  }
  return all.subarray(0, size)
}
