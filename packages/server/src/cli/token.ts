// nitka token: signs a token, for trying things out and for the application's backend. Prints it alone.

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { NitkaError, userName } from '@nitka/protocol'
import { SignJWT } from 'jose'
import { algorithmOf, readPem, readSecret } from '../sessions/jwt/keys.ts'
import { realWorld } from '../world.ts'
import { type Command, readArguments } from './command.ts'
import { usage } from './usage.ts'

const usageText = 'nitka token needs --user, --allow or --generate-secret; `nitka help token` says more'

interface Wish {
  readonly user: string | undefined
  /** Absent: what an ordinary user may. */
  readonly allow: readonly string[] | undefined
  readonly ttlMs: number
  readonly algorithm: string
  readonly key: Uint8Array | KeyObject
  readonly audience: string
  readonly issuer: string
}

const secretBytes = 32
const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export async function token(args: readonly string[], { flags }: Command): Promise<number> {
  const wish = usage(() => read(args, flags))
  if (wish === undefined) return 2
  const { clock, random } = realWorld()
  if (wish === 'secret') console.log(Buffer.from(random.bytes(secretBytes)).toString('base64url'))
  else console.log(await signed(wish, clock.now()))
  return 0
}

/** @throws NitkaError `invalid` */
function read(args: readonly string[], flags: Command['flags']): Wish | 'secret' {
  const { config, own, on } = readArguments(args, flags)
  if (on.has('generate-secret')) return 'secret'
  if (own.user === undefined && own.allow === undefined) throw new NitkaError('invalid', usageText)
  return {
    user: own.user === undefined ? undefined : userName(own.user, '--user'),
    allow: own.allow?.split(',').filter((entry) => entry !== ''),
    ttlMs: readTtl(own.ttl ?? '1h'),
    audience: config.authAudience,
    issuer: config.authIssuer,
    ...readSigningKey(own.key, config.authSecret),
  }
}

function readTtl(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const ms = Number(amount) * (unitsMs[unit] ?? 0)
  if (ms > 0) return ms
  throw new NitkaError('invalid', `--ttl must be a time such as 30s, 15m, 1h or 7d, not ${text}`)
}

function readSigningKey(file: string | undefined, secret: string): Pick<Wish, 'algorithm' | 'key'> {
  if (file === undefined && secret === '') {
    throw new NitkaError(
      'invalid',
      'there is nothing to sign with: set NITKA_AUTH_SECRET, or name a private key with --key',
    )
  }
  if (file === undefined) return { algorithm: 'HS256', key: readSecret(secret) }
  const key = readPrivateKey(file)
  return { algorithm: algorithmOf(key, '--key'), key }
}

function readPrivateKey(file: string): KeyObject {
  const pem = readPem(file, '--key')
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new NitkaError('invalid', '--key is no PEM of a private key without a password', { cause })
  }
}

function signed({ user, allow, ttlMs, algorithm, key, audience, issuer }: Wish, now: number): Promise<string> {
  const seconds = Math.floor(now / 1_000)
  const claims = {
    ...(user === undefined ? {} : { sub: user }),
    ...(allow === undefined ? {} : { nitka: allow }),
    ...(audience === '' ? {} : { aud: audience }),
    ...(issuer === '' ? {} : { iss: issuer }),
    iat: seconds,
    exp: seconds + Math.ceil(ttlMs / 1_000),
  }
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm, typ: 'JWT' }).sign(key)
}
