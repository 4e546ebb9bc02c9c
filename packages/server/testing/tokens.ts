// Tokens for tests, good ones and forged ones. Forged ones are put together by hand: no library would make them.

import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export const secret = 'a secret of a test, thirty-two bytes or more'

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const ed = generateKeyPairSync('ed25519')

type Json = Readonly<Record<string, unknown>>

/** Signs by the algorithm that the header names, whatever it names. */
export function token(claims: unknown, header: Json = {}, key: string | Buffer | KeyObject = secret): string {
  const head = { alg: 'HS256', ...header }
  const input = `${base64(JSON.stringify(head))}.${base64(typeof claims === 'string' ? claims : JSON.stringify(claims))}`
  return `${input}.${signature(String(head.alg), input, key)}`
}

export function signature(algorithm: string, input: string, key: string | Buffer | KeyObject): string {
  if (algorithm.startsWith('HS')) {
    return createHmac(`sha${algorithm.slice(2)}`, key as string)
      .update(input)
      .digest('base64url')
  }
  if (algorithm.startsWith('RS'))
    return sign(`sha${algorithm.slice(2)}`, Buffer.from(input), key as KeyObject).toString('base64url')
  if (algorithm === 'ES256') {
    return sign('sha256', Buffer.from(input), { key: key as KeyObject, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    )
  }
  if (algorithm === 'EdDSA') return sign(null, Buffer.from(input), key as KeyObject).toString('base64url')
  return ''
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64url')
}

export function pem({ publicKey }: { readonly publicKey: KeyObject }): string {
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

export function jwk({ publicKey }: { readonly publicKey: KeyObject }, kid: string): Json {
  return { ...publicKey.export({ format: 'jwk' }), kid }
}

/** Where keys are fetched: counts, and answers as it is told. */
export class KeyServer {
  asked = 0
  keys: readonly Json[] = []
  /** Instead of the keys. */
  answer: { readonly status: number; readonly body?: string; readonly location?: string } | undefined
  /** Takes the question and says nothing. */
  silent = false
  readonly #server: Server

  private constructor() {
    this.#server = createServer((_request, response) => {
      this.asked++
      if (this.silent) return
      const { status, body, location } = this.answer ?? { status: 200 }
      response.writeHead(status, {
        'content-type': 'application/json',
        ...(location === undefined ? {} : { location }),
      })
      response.end(body ?? JSON.stringify({ keys: this.keys }))
    })
  }

  static async open(t: TestContext): Promise<KeyServer> {
    const keys = new KeyServer()
    await new Promise<void>((resolve) => keys.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => keys.close())
    return keys
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
