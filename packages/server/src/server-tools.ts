// What an embedding program, or a test, may put in the place of what a server brings along.

import type { Config } from './config.ts'
import type { Engine } from './engines/engine.ts'
import type { Authenticator, Authorize } from './sessions/auth.ts'
import type { Attach } from './transports/http/attachment.ts'
import type { World } from './world.ts'

/** What a program may put in place of the server’s own. */
export interface ServerTools {
  /** Clock and chance; in tests `{ ...realWorld(), clock }` with a clock of `nitka/testing`. Default: the real ones. */
  readonly world?: World
  /**
   * Who may do what. Asked before every such action, on every transport; of one connection the answers count in the order of
   * the questions. What it throws refuses, too. Default: everybody everything.
   */
  readonly authorize?: Authorize
  /** Who is who. Asked once a connection, and for each HTTP request. Default: `?user=`, for development. */
  readonly authenticator?: Authenticator
  /** Opens the engine, which is closed with the server. Default: the embedded store in `config.data`. */
  readonly openEngine?: (config: Config, world: World) => Promise<Engine>
  /**
   * Answers below a path of an HTTP server that exists already, instead of opening a port: `host` and `port` are not given
   * then, and `stop` leaves that server open. Default: a server of its own.
   */
  readonly attach?: Attach
  /**
   * The page at `/`, read when the server starts: one HTML file, or a folder (the URL ends with `/`) of `index.html` and the
   * `.js`, `.css`, `.html` and `.svg` files beside it, each at its own name. Any page may load `./nitka.js`. Scripts and
   * styles inside the HTML run only when it is one file. Default: none.
   */
  readonly page?: URL
  /** Told once when the server can no longer be trusted and must end: the store failed. */
  readonly onFatal?: (cause: Error) => void
}
