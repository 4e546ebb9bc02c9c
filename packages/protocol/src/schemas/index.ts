// Schemas, for those who validate and document: one source for checks, types and the API documents.

export type { Call } from './call.ts'
export { type CallName, calls, type NotificationName, notifications } from './calls.ts'
export { type Check, compileCheck } from './check.ts'
export * as http from './http.ts'
export * as pools from './pools.ts'
export * as tasks from './tasks.ts'
export * as values from './values.ts'
