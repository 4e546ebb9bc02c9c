// What an embedding program, or a test, may put in the place of what a server brings along.

import type { Config } from './config.ts'
import type { Engine } from './engines/engine.ts'
import type { Authenticator, Authorize } from './sessions/auth.ts'
import type { World } from './world.ts'

export interface ServerTools {
  /** Clock and chance. Default: the real ones. */
  readonly world?: World
  /** Who may do what. Default: everybody everything. */
  readonly authorize?: Authorize
  /** Who is who. Default: `?user=`, for development. */
  readonly authenticator?: Authenticator
  /** Opens the engine. Default: the embedded store in `config.data`. */
  readonly openEngine?: (config: Config, world: World) => Promise<Engine>
  /** The page at `/`. Default: none. */
  readonly page?: URL
  /** Told once when the server can no longer be trusted and must end: the store failed. */
  readonly onFatal?: (cause: Error) => void
}
