// How this server learns who somebody is, as the options say.

import { NitkaError } from '@nitka/protocol'
import type { Config } from './config.ts'
import type { Peers } from './nodes/peers.ts'
import type { LogLines } from './observe/log-lines.ts'
import type { ServerTools } from './server-tools.ts'
import { type Authenticator, type Identity, openAuthenticator } from './sessions/auth.ts'
import { JwtAuthenticator } from './sessions/jwt/jwt.ts'
import { readKeys } from './sessions/jwt/keys.ts'
import { LoginGuard } from './sessions/login-guard.ts'
import { Tickets } from './sessions/tickets.ts'
import type { Clock, World } from './world.ts'

/** How long another node may take to answer for a ticket of its own. */
const ticketMs = 5_000

export interface Authentication {
  /** `openAuthenticator` itself: nobody is asked. */
  readonly authenticator: Authenticator
  /** The same; undefined: nobody is asked. */
  readonly logins: LoginGuard | undefined
  /** Undefined without tokens. */
  readonly jwt: JwtAuthenticator | undefined
  /** In open mode too, so that a page written for tokens can be tried without them. */
  readonly tickets: Tickets
}

/**
 * Reads the keys, or begins to fetch them.
 * @throws NitkaError `invalid` the options do not fit together
 */
export function openAuthentication(
  config: Config,
  { clock, random }: World,
  lines: LogLines,
  tools: Pick<ServerTools, 'authenticator'>,
): Authentication {
  const { failedLogins: failuresPerMinute } = config
  const tickets = new Tickets(clock, random)
  if (config.authMode === 'open') {
    refuseUnused(config)
    const without = { jwt: undefined, tickets }
    if (tools.authenticator === undefined) return { authenticator: openAuthenticator, logins: undefined, ...without }
    const logins = new LoginGuard(tools.authenticator, clock, { failuresPerMinute, hopeless: false })
    return { authenticator: logins, logins, ...without }
  }
  if (tools.authenticator !== undefined) {
    throw new NitkaError('invalid', 'authMode is jwt, and an authenticator is given too; leave one of them out')
  }
  const { authSecret, authPublicKey, authJwksUrl, authAlgorithms, authAudience, authIssuer, authSkewMs } = config
  const keys = readKeys({
    secret: authSecret,
    publicKey: authPublicKey,
    jwksUrl: authJwksUrl,
    algorithms: authAlgorithms,
  })
  const jwt = new JwtAuthenticator(
    { keys, audience: authAudience, issuer: authIssuer, skewMs: authSkewMs },
    clock,
    (error) => lines.warn({ err: error }, 'the keys at authJwksUrl could not be fetched'),
  )
  void jwt.remote?.refresh()
  const logins = new LoginGuard(jwt, clock, { failuresPerMinute, hopeless: true })
  return { authenticator: logins, logins, jwt, tickets }
}

/** Tickets are good on every node: who is shown one of another node asks there. */
export function shareTickets(tickets: Tickets, node: string, peers: Peers, clock: Clock): void {
  const name = 'tickets.redeem'
  peers.serve(name, (params) => {
    const { ticket, path } = params as { readonly ticket: string; readonly path: string }
    return tickets.redeem(ticket, path)
  })
  tickets.others = {
    node,
    async redeem(from, ticket, path) {
      const call = peers.call(from, name, { ticket, path })
      const late = Promise.withResolvers<never>()
      const timer = clock.after(ticketMs, () => {
        call.drop()
        late.reject(new NitkaError('unavailable', 'the node that gave the ticket does not answer'))
      })
      try {
        return (await Promise.race([call.answer, late.promise])) as Identity
      } finally {
        timer.cancel()
      }
    },
  }
}

/** Whoever gives a key means that tokens are checked. @throws NitkaError `invalid` */
function refuseUnused(config: Config): void {
  const names = ['authSecret', 'authPublicKey', 'authJwksUrl', 'authAudience', 'authIssuer'] as const
  const name =
    names.find((one) => config[one] !== '') ?? (config.authAlgorithms.length > 0 ? 'authAlgorithms' : undefined)
  if (name === undefined) return
  throw new NitkaError('invalid', `${name} is given, but nobody is asked for a token: say --auth-mode jwt`)
}
