// What tokens are verified with: one key, or the keys at a URL, and the algorithms that are taken with them. The algorithm is
// pinned by what key there is, never chosen by the token: a public key must not be taken for a shared secret.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { NitkaError } from '@nitka/protocol'

export type Algorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA'

/** What the options say, '' for what they do not. */
export interface KeyWishes {
  readonly secret: string
  /** PEM, or the path of a file with it. */
  readonly publicKey: string
  readonly jwksUrl: string
  /** Empty: those that fit the key. */
  readonly algorithms: readonly string[]
}

export type Keys = { readonly algorithms: readonly Algorithm[] } & (
  | { readonly key: Uint8Array | KeyObject }
  | { readonly url: URL }
)

/** RFC 7518, 3.2: no shorter than what HMAC with SHA-256 gives. */
const secretBytesMin = 32

/** @throws NitkaError `invalid` in one line for a person; never with the secret in it */
export function readKeys({ secret, publicKey, jwksUrl, algorithms }: KeyWishes): Keys {
  const given = Object.entries({ authSecret: secret, authPublicKey: publicKey, authJwksUrl: jwksUrl })
  const names = given.filter(([, value]) => value !== '').map(([name]) => name)
  if (names.length !== 1) {
    const found = names.length === 0 ? 'none is given' : `given are ${names.join(' and ')}`
    throw wrong(`authMode jwt needs one of authSecret, authPublicKey and authJwksUrl; ${found}`)
  }
  if (jwksUrl !== '') return { url: readUrl(jwksUrl), algorithms: pinned(algorithms, ['RS256', 'ES256', 'EdDSA']) }
  if (publicKey !== '') {
    const key = readPublicKey(publicKey)
    return { key, algorithms: pinned(algorithms, [algorithmOf(key, 'authPublicKey')]) }
  }
  return { key: readSecret(secret), algorithms: pinned(algorithms, ['HS256']) }
}

/** @throws NitkaError `invalid` too short */
export function readSecret(secret: string): Uint8Array {
  const key = Buffer.from(secret)
  if (key.length >= secretBytesMin) return key
  throw wrong(
    `authSecret must have at least ${secretBytesMin} bytes; \`nitka token --generate-secret\` makes a good one`,
  )
}

/** The algorithm for a key, by its type. @throws NitkaError `invalid` @param name what it is called in the error */
export function algorithmOf(key: KeyObject, name: string): Algorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return 'RS256'
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ES256'
  if (type === 'ed25519') return 'EdDSA'
  throw wrong(`${name} must be RSA with 2,048 bits or more, EC on P-256, or Ed25519`)
}

/** A PEM itself, its line ends written as `\n` perhaps, or what is in the file that is named. @throws NitkaError `invalid` */
export function readPem(value: string, name: string): string {
  if (value.startsWith('-----BEGIN ')) return value.replaceAll('\\n', '\n')
  try {
    return readFileSync(value, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw wrong(`${name} is neither a PEM nor a file that can be read (${code})`, cause)
  }
}

function readPublicKey(value: string): KeyObject {
  const pem = readPem(value, 'authPublicKey')
  if (pem.includes('PRIVATE KEY-----')) throw wrong('authPublicKey is a private key; the server needs the public one')
  try {
    return createPublicKey(pem)
  } catch (cause) {
    throw wrong('authPublicKey is no PEM of a public key or a certificate', cause)
  }
}

/** Whoever can change what comes from there can be anybody: it comes over TLS, or from this machine. */
function readUrl(text: string): URL {
  const url = URL.parse(text)
  const near = url?.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (url === null || !(url.protocol === 'https:' || near)) {
    throw wrong('authJwksUrl must be an https address; http is taken on loopback only')
  }
  if (url.username !== '' || url.password !== '') throw wrong('authJwksUrl must not have a user or a password in it')
  return url
}

function pinned(wished: readonly string[], fitting: readonly Algorithm[]): readonly Algorithm[] {
  const unfit = wished.find((name) => !fitting.some((algorithm) => algorithm === name))
  if (unfit !== undefined) {
    throw wrong(`authAlgorithms has ${unfit}, which does not fit the key; with it go ${fitting.join(', ')}`)
  }
  return wished.length === 0 ? fitting : (wished as readonly Algorithm[])
}

function wrong(message: string, cause?: unknown): NitkaError {
  return new NitkaError('invalid', message, { cause })
}
