// How much is read at once when somebody catches up, and how many do so at a time.

import { limits } from '@nitka/protocol'

/** Entries in one page of a catch-up. */
export const readPageMax = limits.pageMax

/** Catch-up reads that run at one time. */
export const readsMax = 3

/** Catch-up reads that wait for their turn; more are refused, and the client resumes later. */
export const readsWaitingMax = 100_000
