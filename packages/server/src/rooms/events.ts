// What happens in a room besides its messages: who comes and goes, what members signal, how far they have read. Not
// stored; a receiver whose socket is behind misses them, and they are counted.

import { isObject } from '@nitka/protocol'

export type RoomEvent =
  | { readonly kind: 'presence'; readonly room: string; readonly user: string; readonly online: boolean }
  | { readonly kind: 'signal'; readonly room: string; readonly from: string; readonly signal: unknown }
  | {
      readonly kind: 'read'
      readonly room: string
      readonly user: string
      readonly offset: number
      /** Told to the user alone. */
      readonly unread?: number
    }
  | { readonly kind: 'progress'; readonly room: string; readonly task: string; readonly progress: unknown }
  | { readonly kind: 'removed'; readonly room: string; readonly user: string }

/**
 * An event as another node sent it; undefined when it is none, or of a kind that only a newer node knows. What else it holds is left
 * out: clients of this node are told what this node's documents say.
 */
export function readRoomEvent(value: unknown): RoomEvent | undefined {
  if (!isObject(value)) return undefined
  const { kind, room, user, online, from, offset, unread, task } = value
  if (typeof room !== 'string') return undefined
  if (kind === 'signal') return typeof from === 'string' ? { kind, room, from, signal: value.signal } : undefined
  if (kind === 'progress') return typeof task === 'string' ? { kind, room, task, progress: value.progress } : undefined
  if (typeof user !== 'string') return undefined
  if (kind === 'removed') return { kind, room, user }
  if (kind === 'presence') return typeof online === 'boolean' ? { kind, room, user, online } : undefined
  if (kind !== 'read' || typeof offset !== 'number') return undefined
  return { kind, room, user, offset, ...(typeof unread === 'number' ? { unread } : {}) }
}
