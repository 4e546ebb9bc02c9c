// Executors from a module of the user's, read again on SIGHUP: what runs goes on with the old ones, what comes gets the new.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { NitkaError } from '@nitka/protocol'
import type { Executor } from '../requests/request.ts'
import type { Requests } from '../requests/requests.ts'

/** An executor, or one with how many it works on at a time and how long each may take. */
type Exported = Executor | { readonly run: Executor; readonly concurrency?: number; readonly timeoutMs?: number }

/**
 * Registers what the module's default export has: `{type: async (payload, context) => result}`.
 * @throws NitkaError `invalid` in one line: the file, and what is wrong with it
 */
export async function loadExecutors(requests: Requests, file: string): Promise<void> {
  let stops = register(requests, await exportsOf(file, 0))
  let reloads = 0
  process.on('SIGHUP', () => {
    reloads += 1
    exportsOf(file, reloads).then(
      (fresh) => {
        const old = stops
        // The new ones first, so that no request finds its type without an executor.
        stops = register(requests, fresh)
        for (const stop of old) stop()
        console.error(`nitka: executors read again: ${[...fresh.keys()].join(', ')}`)
      },
      (error: unknown) => console.error(`nitka: executors stay as they are: ${(error as Error).message}`),
    )
  })
}

async function exportsOf(file: string, reload: number): Promise<ReadonlyMap<string, Exported>> {
  const url = pathToFileURL(resolve(file))
  // Node keeps modules by their URL.
  if (reload > 0) url.searchParams.set('reload', String(reload))
  let module: { readonly default?: unknown }
  try {
    module = (await import(url.href)) as { readonly default?: unknown }
  } catch (error) {
    throw new NitkaError('invalid', `executors ${file} cannot be loaded: ${(error as Error).message}`, { cause: error })
  }
  const found = module.default
  if (typeof found !== 'object' || found === null) {
    throw new NitkaError(
      'invalid',
      `executors ${file} must export {type: async (payload, context) => result} as default`,
    )
  }
  for (const [type, one] of Object.entries(found)) {
    if (typeof one === 'function' || typeof (one as { run?: unknown } | null)?.run === 'function') continue
    throw new NitkaError('invalid', `executors ${file}: ${type} must be a function, or an object with a function run`)
  }
  // Checked above.
  return new Map(Object.entries(found as Record<string, Exported>))
}

function register(requests: Requests, exported: ReadonlyMap<string, Exported>): (() => void)[] {
  return [...exported].map(([type, one]) => {
    if (typeof one === 'function') return requests.handle(type, one)
    const { run, ...options } = one
    return requests.handle(type, run, options)
  })
}
