// Why a connection ends. `retry` is what matters to a client: come back at once, after a wait, or not at all.

export const closeCodes = {
  goingAway: { code: 1001, retry: 'now', doc: 'The server stops; come back, elsewhere if you can.' },
  protocolError: { code: 1002, retry: 'never', doc: 'The frame is not valid WebSocket.' },
  invalidText: { code: 1007, retry: 'never', doc: 'A text frame that is not UTF-8.' },
  policy: { code: 1008, retry: 'never', doc: 'Not authenticated in time, or no longer permitted.' },
  tooLarge: { code: 1009, retry: 'never', doc: 'The frame is larger than the transport takes.' },
  internal: { code: 1011, retry: 'later', doc: 'The server failed; nothing unconfirmed may be taken as done.' },
  restart: { code: 1012, retry: 'now', doc: 'The server restarts; come back.' },
  tryLater: { code: 1013, retry: 'later', doc: 'Too slow or too many: come back after a wait and resume.' },
  expired: { code: 3000, retry: 'now', doc: 'The token is no longer valid: come back with a new one.' },
} as const satisfies Record<string, { code: number; retry: 'now' | 'later' | 'never'; doc: string }>

/** Why a connection was closed: a name from `closeCodes`. */
export type CloseReason = keyof typeof closeCodes
