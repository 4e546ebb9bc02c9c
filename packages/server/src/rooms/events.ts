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

/** An event as another node sent it; undefined when it is none. Nodes of one version trust each other for the fields. */
export function readRoomEvent(value: unknown): RoomEvent | undefined {
  return isObject(value) && typeof value.kind === 'string' ? (value as unknown as RoomEvent) : undefined
}
