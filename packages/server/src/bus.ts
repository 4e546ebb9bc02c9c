// The wire between nodes. It only says "look": it may lose, repeat and reorder, and it is never the record. What is
// local to a node never travels over it.

/** The wire between nodes, as every engine offers it. */
export interface Bus {
  /**
   * Offers `bytes` to the subscribers of `subject` on every *other* node. Returns at once; nothing is promised.
   * @param subject tokens of `[A-Za-z0-9_-]` joined by dots; names from users are encoded first (`subjectToken`).
   */
  publish(subject: string, bytes: Uint8Array): void

  /** Calls `handler` for what other nodes publish on exactly `subject`, until `cancel`. The handler must not throw. */
  subscribe(subject: string, handler: (bytes: Uint8Array) => void): BusSubscription

  /** True: there is no other node to hear it, so nothing need be published. */
  readonly alone: boolean

  /** Whether the bus answers. A node without a bus still serves from its store. */
  readonly healthy: boolean

  /** Ends all subscriptions and the connection. */
  close(): Promise<void>
}

/** What somebody hears of a subject, until it is ended. */
export interface BusSubscription {
  /** Ends it. May be called twice. */
  cancel(): void
}

/** Any text as one subject token: base64url, so that no name can carry a dot or a wildcard. */
export function subjectToken(text: string): string {
  return Buffer.from(text).toString('base64url')
}
