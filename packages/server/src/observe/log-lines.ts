// Log lines: JSON on standard output, one an event. No message text, no token.

import { type Logger, pino } from 'pino'

export type LogLines = Logger

export function openLogLines(level: string): LogLines {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime })
}
