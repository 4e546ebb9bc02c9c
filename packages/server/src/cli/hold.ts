// Keeps the process alive: the clock's timers do not.

import { MessageChannel } from 'node:worker_threads'

/** Until `process.exit`. */
export function holdProcess(): void {
  new MessageChannel().port1.ref()
}
