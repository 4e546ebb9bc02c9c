// What waits to be stored, of all queues of an engine together. A disk that stands still for a moment is waited for: whoever
// sends is read more slowly meanwhile, and only what is too much or too late even then is refused.

import { NitkaError } from '@nitka/protocol'

/** What waits costs memory beside what it stores: the call, its promises and closures. */
const eachBytes = 1_000

/** Above so many bytes senders are to be held back, until half of it is stored. */
const crowdedBytes = 8 * 1024 * 1024

/** More than that is refused: what came over HTTP, or was read before its connection could be held back. */
export const backlogBytesMax = 64 * 1024 * 1024

/** Besides, for confirmations, reports, holds and what the server does by itself: memory and disk disagree over those that are refused. */
const reserveBytes = 16 * 1024 * 1024

/** A write that takes longer holds senders back too, however little waits. */
export const slowMs = 250

/** What has waited for so long without being begun is refused: nothing of it is stored. */
export const lateMs = 5_000

export class Backlog {
  /** Told when senders are to be held back, and when no more. */
  onCrowded: ((crowded: boolean) => void) | undefined
  /** Waiting or being written, with what each costs in memory. */
  bytes = 0
  #crowded = false
  #slow = false

  get crowded(): boolean {
    return this.#crowded
  }

  /** Whether there is room; one of whatever size is always let in. */
  admits(bytes: number, essential: boolean): boolean {
    const most = essential ? backlogBytesMax + reserveBytes : backlogBytesMax
    return this.bytes === 0 || this.bytes + bytes + eachBytes <= most
  }

  add(bytes: number): void {
    this.bytes += bytes + eachBytes
    if (this.bytes > crowdedBytes) this.#set(true)
  }

  /** @param count how many, of so many bytes together */
  remove(bytes: number, count = 1): void {
    this.bytes -= bytes + count * eachBytes
    this.#settle()
  }

  /** A write takes long, or has ended. */
  slow(slow: boolean): void {
    this.#slow = slow
    if (slow) this.#set(true)
    else this.#settle()
  }

  #settle(): void {
    if (this.#crowded && !this.#slow && this.bytes <= crowdedBytes / 2) this.#set(false)
  }

  #set(crowded: boolean): void {
    if (this.#crowded === crowded) return
    this.#crowded = crowded
    this.onCrowded?.(crowded)
  }
}

export function tooMuch(): NitkaError {
  return new NitkaError('overloaded', 'too much waits to be stored; nothing of this was, come back')
}

export function tooLate(): NitkaError {
  return new NitkaError('overloaded', 'the store has been too slow for 5 s; nothing of this was stored, come back')
}
