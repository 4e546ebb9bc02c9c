// Keys at a URL (a JWKS, RFC 7517). They are kept: the URL being down stops nobody whose key is known, and tokens with keys
// that do not exist make no more than one question in 30 s of it.

import { isObject, NitkaError, parseJson } from '@nitka/protocol'
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../../world.ts'

/** At most one fetch in this time, whatever comes. */
const pauseMs = 30_000
/** Age after which keys are fetched again, so that one that was withdrawn is gone some time. */
const freshMs = 600_000
const patienceMs = 5_000
const bytesMax = 256 * 1024
/** Public keys of pinned algorithms. A symmetric key in a public place is nobody's. */
const kinds: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP'])

type KeyOf = ReturnType<typeof createLocalJWKSet>

export class RemoteKeys {
  fetched = 0
  failed = 0
  readonly #url: URL
  readonly #clock: Clock
  readonly #onFailed: (error: unknown) => void
  #keyOf: KeyOf | undefined
  #fetchedAt = Number.NEGATIVE_INFINITY
  #triedAt = Number.NEGATIVE_INFINITY
  #down = false
  #fetching: Promise<void> | undefined

  /** @param onFailed told of every fetch that failed, once */
  constructor(url: URL, clock: Clock, onFailed: (error: unknown) => void) {
    this.#url = url
    this.#clock = clock
    this.#onFailed = onFailed
  }

  /**
   * The key for a token, as `jose` asks for it.
   * @throws NitkaError `unavailable` it is not known and the URL does not answer; else an error of `jose`
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const age = this.#clock.monotonic() - this.#fetchedAt
    if (this.#keyOf === undefined) await this.refresh()
    else if (age >= freshMs) void this.refresh()
    try {
      return await this.#known(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    }
    await this.refresh()
    try {
      return await this.#known(header, token)
    } catch (error) {
      throw this.#down && error instanceof errors.JWKSNoMatchingKey ? unavailable() : error
    }
  }

  /** Fetches unless that was tried a moment ago. Resolves when it is through; a failure is told, and leaves what was known. */
  refresh(): Promise<void> {
    if (this.#fetching !== undefined) return this.#fetching
    const now = this.#clock.monotonic()
    if (now - this.#triedAt < pauseMs) return Promise.resolve()
    this.#triedAt = now
    this.#fetching = this.#fetch()
      .then(
        (keyOf) => {
          this.#keyOf = keyOf
          this.#fetchedAt = this.#clock.monotonic()
          this.fetched++
          this.#down = false
        },
        (error: unknown) => {
          this.failed++
          this.#down = true
          this.#onFailed(error)
        },
      )
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  #known(...asked: Parameters<KeyOf>): ReturnType<KeyOf> {
    if (this.#keyOf === undefined) throw unavailable()
    return this.#keyOf(...asked)
  }

  async #fetch(): Promise<KeyOf> {
    const late = new AbortController()
    const timer = this.#clock.after(patienceMs, () => late.abort(new Error(`no answer within ${patienceMs} ms`)))
    try {
      const response = await fetch(this.#url, {
        redirect: 'error',
        headers: { accept: 'application/json' },
        signal: late.signal,
      })
      if (!response.ok) throw new Error(`it answers ${response.status}`)
      return readKeySet(await textOf(response))
    } finally {
      timer.cancel()
    }
  }
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new Error(`it answers with more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function readKeySet(text: string): KeyOf {
  const set = parseJson(text, 10_000)
  const keys = isObject(set) && Array.isArray(set.keys) ? set.keys.filter(isObject) : undefined
  if (keys === undefined) throw new Error('it answers with no key set')
  return createLocalJWKSet({ keys: keys.filter(({ kty }) => kinds.has(kty)) } as unknown as JSONWebKeySet)
}

function unavailable(): NitkaError {
  return new NitkaError('unavailable', 'the keys that tokens are checked with cannot be had at the moment; come back')
}
