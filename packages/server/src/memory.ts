// How much memory this process may use, and what of it may wait for connections.

import { totalmem } from 'node:os'
import type { Config } from './config.ts'
import { options } from './options.ts'

/** Bytes that this process may use: the limit of its container or service, else the memory of the machine. */
export function memoryMost(): { readonly bytes: number; readonly limited: boolean } {
  const limit = process.constrainedMemory()
  const limited = limit > 0 && limit < totalmem()
  return { bytes: limited ? limit : totalmem(), limited }
}

/** Bytes of all outboxes together, 0: no limit. Left alone it is never more than a quarter of the memory. */
export function outboxBudget(
  { outboxTotalBytes }: Pick<Config, 'outboxTotalBytes'>,
  most = memoryMost().bytes,
): number {
  if (outboxTotalBytes !== options.outboxTotalBytes.default) return outboxTotalBytes
  return Math.min(outboxTotalBytes, Math.floor(most / 4))
}
