// Fail-stop. The first error of the disk ends the engine for good: LevelDB goes on after a failed append and then
// acknowledges writes that a restart cannot read, and a failed fsync must never be tried again. Only opening the store
// anew, with its checks, makes it trustworthy.

import { NitkaError } from '@nitka/protocol'

/** Whether the handle may still be used. */
export class Health {
  /** Told once, with the first failure. */
  onFailed: ((cause: Error) => void) | undefined
  #cause: Error | undefined
  #closed = false

  get failed(): boolean {
    return this.#cause !== undefined
  }

  /** Why nothing can be done now, in one line. */
  get reason(): string | undefined {
    if (this.#cause !== undefined) return `storage failed: ${this.#cause.message}`
    return this.#closed ? 'the store is closed' : undefined
  }

  /** @throws NitkaError `unavailable` after a failure and after closing */
  check(): void {
    if (this.#cause !== undefined || this.#closed) throw this.refusal()
  }

  refusal(): NitkaError {
    return new NitkaError('unavailable', this.reason ?? 'storage failed', { cause: this.#cause })
  }

  /** Ends the engine. Only the first cause counts. */
  fail(thrown: unknown): void {
    if (this.#cause !== undefined) return
    this.#cause = causeOf(thrown)
    this.onFailed?.(this.#cause)
  }

  close(): void {
    this.#closed = true
  }
}

/** The error at the bottom: LevelDB wraps the line that says what happened. */
export function causeOf(thrown: unknown): Error {
  let error = thrown instanceof Error ? thrown : new Error(String(thrown))
  while (error.cause instanceof Error) error = error.cause
  return error
}
