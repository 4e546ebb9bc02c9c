// Who somebody is, by a token that is a JWT (RFC 7519). Nothing of a token ever gets into an error, a log line or a metric.

import { NitkaError, tokenSubprotocol, userName } from '@nitka/protocol'
import { errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { Clock } from '../../world.ts'
import { readAllowList } from '../allow-list.ts'
import { type Authenticator, type Credentials, ExpiredToken, type Identity } from '../auth.ts'
import type { Keys } from './keys.ts'
import { RemoteKeys } from './remote-keys.ts'

export interface JwtRules {
  readonly keys: Keys
  /** '': any, for both. */
  readonly audience: string
  readonly issuer: string
  /** How far the issuer's clock may be off. */
  readonly skewMs: number
}

const tokenBytesMax = 8_192

/** What the header may call the token, when it does. */
const types: ReadonlySet<string> = new Set(['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'])

/** The last moment that can be written as a date. */
const timeMax = 8.64e15

export class JwtAuthenticator implements Authenticator {
  readonly required = true
  readonly hint =
    `say who you are with a token: Authorization: Bearer …, the subprotocol ${tokenSubprotocol}…, or session.hello`
  /** Tokens that were not taken. */
  refused = 0
  /** Undefined: the key is given. */
  readonly remote: RemoteKeys | undefined
  readonly #clock: Clock
  readonly #skewMs: number
  readonly #options: JWTVerifyOptions
  readonly #keyFor: JWTVerifyGetKey

  /** @param onFailed told when the keys could not be fetched */
  constructor({ keys, audience, issuer, skewMs }: JwtRules, clock: Clock, onFailed: (error: unknown) => void) {
    this.#clock = clock
    this.#skewMs = skewMs
    this.#options = {
      algorithms: [...keys.algorithms],
      requiredClaims: ['exp'],
      clockTolerance: skewMs / 1_000,
      ...(audience === '' ? {} : { audience }),
      ...(issuer === '' ? {} : { issuer }),
    }
    if ('url' in keys) {
      this.remote = new RemoteKeys(keys.url, clock, onFailed)
      this.#keyFor = this.remote.find
    } else {
      this.#keyFor = () => keys.key
    }
  }

  async identify(credentials: Credentials): Promise<Identity | undefined> {
    const [token, another] = tokensOf(credentials)
    if (token === undefined) return undefined
    try {
      if (another !== undefined) throw refusal('more than one token is given')
      return await this.#read(token)
    } catch (error) {
      this.refused++
      throw error
    }
  }

  /** @throws NitkaError `unauthenticated`, `unavailable` */
  async #read(token: string): Promise<Identity> {
    if (token.length > tokenBytesMax) throw refusal(`the token has more than ${tokenBytesMax} bytes`)
    const now = this.#clock.now()
    const options = { ...this.#options, currentDate: new Date(now) }
    const { payload, protectedHeader } = await jwtVerify(token, this.#keyFor, options).catch((error: unknown) => {
      throw reasonOf(error)
    })
    // Where a header says that its key is to be found (jku, jwk, x5u, x5c) is never looked at.
    if (protectedHeader.crit !== undefined) throw refusal('the token has a crit header')
    if (!isTypeTaken(protectedHeader.typ)) throw refusal('the token is of a type for something else')
    return this.#identity(payload, now)
  }

  #identity(payload: JWTPayload, now: number): Identity {
    const end = Number(payload.exp) * 1_000
    if (!(end <= timeMax)) throw refusal('the claim exp of the token is no time')
    const allow = readAllowList(payload.nitka)
    if (allow === undefined) throw refusal('the claim nitka of the token is no list of texts')
    // Within the skew the issuer's clock, not ours, may be the right one.
    const expiresAt = end > now ? end : end + this.#skewMs
    if (payload.sub !== undefined) return { user: userOf(payload.sub), expiresAt, allow }
    // Somebody without a name has to be told what they may: that is the application's backend.
    if (payload.nitka === undefined) throw refusal('the claim sub of the token is missing')
    return { user: '', expiresAt, allow }
  }
}

function tokensOf({ authorization, protocols, token }: Credentials): readonly string[] {
  const bearer = /^bearer\b *(.*)$/i.exec(authorization ?? '')?.[1]
  const offered = protocols.filter((name) => name.startsWith(tokenSubprotocol))
  const all = [bearer, token, ...offered.map((name) => name.slice(tokenSubprotocol.length))]
  return all.filter((one) => one !== undefined)
}

function isTypeTaken(type: unknown): boolean {
  return type === undefined || (typeof type === 'string' && types.has(type.toLowerCase()))
}

function userOf(sub: unknown): string {
  try {
    return userName(sub, 'sub')
  } catch {
    throw refusal('the claim sub of the token is no name of a user')
  }
}

/** Why a token was not taken, without anything of it. */
function reasonOf(error: unknown): NitkaError {
  if (error instanceof NitkaError) return error
  if (error instanceof errors.JWTExpired) return new ExpiredToken()
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refusal(`the claim ${error.claim} of the token is missing or not the right one`)
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refusal('the algorithm of the token is not one that is taken here')
  return refusal('the token is not valid')
}

function refusal(message: string): NitkaError {
  return new NitkaError('unauthenticated', message, { field: 'token' })
}
