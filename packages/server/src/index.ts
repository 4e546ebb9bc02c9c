// Nitka as a library: a server inside an application.

export { NitkaError } from '@nitka/protocol'
export { type Config, configure } from './config.ts'
export type { Direct, Sent } from './direct/direct.ts'
export type { Rooms } from './rooms/rooms.ts'
export { createServer, type Server, type ServerTools } from './server.ts'
export type { Action, Authenticator, Authorize } from './sessions/auth.ts'
export type { Clock, Random, World } from './world.ts'
