// The seam between the engine and LevelDB: the few operations that it uses, so that a test can put a failing disk there.
// Nothing above this file knows LevelDB, and nothing in it knows what the bytes mean.

import { ClassicLevel } from 'classic-level'
import { Rotation } from './rotation.ts'

export type Write =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

export type Row = readonly [key: Buffer, value: Buffer]

/** The store as it was at one moment. */
export interface View {
  close(): Promise<void>
}

/** Which rows to read: `from` included, `to` excluded. */
export interface Scan {
  readonly from: Buffer
  readonly to: Buffer
  readonly limit: number
  /** Largest first. */
  readonly reverse?: boolean
  readonly view?: View
  /** The answer ends early once it holds more. Default 1 MiB. */
  readonly bytesMax?: number
}

export interface Disk {
  /** All writes or none. With `sync` it resolves when they are on disk. One at a time. */
  batch(writes: Write[], sync: boolean): Promise<void>
  /** The values in the order of the keys. */
  getMany(keys: readonly Buffer[], view?: View): Promise<(Buffer | undefined)[]>
  /** Fewer rows than `limit` do not mean the end, an empty answer does. */
  scan(scan: Scan): Promise<readonly Row[]>
  view(): View
  close(): Promise<void>
}

export interface DiskOptions {
  readonly cacheBytes: number
  readonly writeBufferBytes: number
  /** False: the store must be there. */
  readonly create: boolean
}

/** Opens the LevelDB store in `folder`. Throws what LevelDB throws. */
export async function openDisk(folder: string, options: DiskOptions): Promise<Disk> {
  const level = new ClassicLevel<Buffer, Buffer>(folder, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    cacheSize: options.cacheBytes,
    writeBufferSize: options.writeBufferBytes,
    createIfMissing: options.create,
  })
  await level.open()
  try {
    return new LevelDisk(level, folder)
  } catch (thrown) {
    await level.close()
    throw thrown
  }
}

class LevelDisk implements Disk {
  readonly #level: ClassicLevel<Buffer, Buffer>
  readonly #views = new WeakMap<View, ReturnType<ClassicLevel['snapshot']>>()

  readonly #rotation: Rotation | undefined

  constructor(level: ClassicLevel<Buffer, Buffer>, folder: string) {
    this.#level = level
    // Windows syncs no folders.
    if (process.platform !== 'win32') this.#rotation = new Rotation(folder)
  }

  async batch(writes: Write[], sync: boolean): Promise<void> {
    await this.#level.batch(writes, { sync })
    if (sync) await this.#rotation?.follow()
  }

  getMany(keys: readonly Buffer[], view?: View): Promise<(Buffer | undefined)[]> {
    const snapshot = view === undefined ? undefined : this.#views.get(view)
    return this.#level.getMany(keys as Buffer[], { snapshot })
  }

  async scan(scan: Scan): Promise<readonly Row[]> {
    const iterator = this.#level.iterator({
      gte: scan.from,
      lt: scan.to,
      reverse: scan.reverse ?? false,
      limit: scan.limit,
      highWaterMarkBytes: scan.bytesMax ?? 1024 * 1024,
      snapshot: scan.view === undefined ? undefined : this.#views.get(scan.view),
    })
    try {
      return await iterator.nextv(scan.limit)
    } finally {
      await iterator.close()
    }
  }

  view(): View {
    const snapshot = this.#level.snapshot()
    const view: View = { close: () => snapshot.close() }
    this.#views.set(view, snapshot)
    return view
  }

  close(): Promise<void> {
    this.#rotation?.close()
    return this.#level.close()
  }
}
