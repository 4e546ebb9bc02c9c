// Typed events. A listener that throws hurts neither the others nor the connection.

/** Told of what a listener, or a handler, threw. */
export type OnError = (error: unknown) => void

/** What it throws itself is told by the platform, and disturbs nothing here. */
export function harmless(onError: OnError): OnError {
  return (error) => {
    try {
      onError(error)
    } catch (thrown) {
      queueMicrotask(() => {
        throw thrown
      })
    }
  }
}

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>()
  readonly #onError: OnError

  constructor(onError: OnError) {
    this.#onError = onError
  }

  /** Calls `listener` at each event of that name. Returns how to stop. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    let listeners = this.#listeners.get(name)
    if (listeners === undefined) {
      listeners = new Set()
      this.#listeners.set(name, listeners)
    }
    // Wrapped, so that one function that is added twice is called twice, and each is taken off alone.
    const own = (value: Events[Name]): void => listener(value)
    listeners.add(own)
    return () => void listeners.delete(own)
  }

  count(name: keyof Events): number {
    return this.#listeners.get(name)?.size ?? 0
  }

  /** Tells an error that the event is about to tell, when nobody listens to that. */
  unheard(name: keyof Events, error: unknown): void {
    if (this.count(name) === 0) this.#onError(error)
  }

  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) this.#call(listener, value as never)
  }

  #call(listener: (value: never) => unknown, value: never): void {
    try {
      const result = listener(value)
      if (result instanceof Promise) result.catch(this.#onError)
    } catch (error) {
      this.#onError(error)
    }
  }
}
