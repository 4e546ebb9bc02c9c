// Folders and engines for tests of the store: made in the system's temporary folder, closed and removed when the test ends.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type EmbeddedEngine, type EmbeddedOptions, openEmbedded } from '../src/engines/embedded/engine.ts'
import { realWorld } from '../src/world.ts'

/** A new empty folder, removed after the test. */
export function storeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nitka-store-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

/** The same in memory where there is such a place: for very many stores. */
export function memoryFolder(t: TestContext): string {
  if (!existsSync('/dev/shm')) return storeFolder(t)
  const folder = mkdtempSync('/dev/shm/nitka-store-')
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

/** Opens the store in `dataDir` with the real world's clock, small caches and no reserve unless told otherwise. */
export function openStoreIn(dataDir: string, options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedEngine> {
  return openEmbedded({ dataDir, world: realWorld(), reserveBytes: 0, cacheBytes: 1024 * 1024, ...options })
}

/** An engine on a new folder that can be closed and opened again; closed after the test. */
export async function reopenable(t: TestContext, options: Partial<EmbeddedOptions> = {}) {
  const folder = storeFolder(t)
  let engine = await openStoreIn(folder, options)
  t.after(() => engine.close())
  return {
    folder,
    engine,
    async reopen(more: Partial<EmbeddedOptions> = {}): Promise<EmbeddedEngine> {
      await engine.close()
      engine = await openStoreIn(folder, { ...options, ...more })
      return engine
    },
  }
}
