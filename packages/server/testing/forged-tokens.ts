// Tokens that must not be taken, each with what is wrong with it. The server under test has `rules`.

import { base64, ec, ed, otherRsa, pem, rsa, secret, signature, token } from './tokens.ts'

export const rules = { audience: 'nitka-test', issuer: 'https://issuer.example' }

/** The claims of a good token. @param now wall time, milliseconds */
export function goodClaims(now: number): Record<string, unknown> {
  const seconds = Math.floor(now / 1_000)
  return { sub: 'anna', iat: seconds, exp: seconds + 600, aud: rules.audience, iss: rules.issuer }
}

/** What is wrong → the token. For a server with the shared secret. */
export function forgedTokens(now: number): Readonly<Record<string, string>> {
  const good = goodClaims(now)
  const seconds = Math.floor(now / 1_000)
  const valid = token(good)
  const [head = '', body = '', mark = ''] = valid.split('.')
  const without = (name: string): Record<string, unknown> => ({ ...good, [name]: undefined })
  const flipped = `${mark[0] === 'A' ? 'B' : 'A'}${mark.slice(1)}`
  return {
    ...{ empty: '', 'no token at all': 'x', 'two parts': `${head}.${body}`, 'four parts': `${valid}.${mark}` },
    ...{ 'five parts, as if encrypted': `${head}..${mark}.${body}.${mark}`, 'only dots': '..', 'a name': 'anna' },
    'no signature': `${head}.${body}.`,
    'another signature': `${head}.${body}.${flipped}`,
    'a shortened signature': `${head}.${body}.${mark.slice(0, -2)}`,
    'another secret': token(good, {}, `${secret}!`),
    'an empty secret': token(good, {}, ''),
    'other claims under the signature': `${head}.${base64(JSON.stringify({ ...good, sub: 'bert' }))}.${mark}`,
    'another header under the signature': `${base64('{"alg":"HS256","kid":"x"}')}.${body}.${mark}`,
    'alg none': token(good, { alg: 'none' }),
    'alg None': token(good, { alg: 'None' }),
    'alg NONE with a signature': `${base64('{"alg":"NONE"}')}.${body}.${mark}`,
    'alg none with the good signature': `${base64('{"alg":"none"}')}.${body}.${mark}`,
    'no alg': `${base64('{"typ":"JWT"}')}.${body}.${signature('HS256', `${base64('{"typ":"JWT"}')}.${body}`, secret)}`,
    'alg in lower case': token(good, { alg: 'hs256' }),
    'alg HS384 with the good secret': token(good, { alg: 'HS384' }),
    'alg HS512 with the good secret': token(good, { alg: 'HS512' }),
    'alg RS256 with a key of its own': token(good, { alg: 'RS256' }, rsa.privateKey),
    'alg ES256 with a key of its own': token(good, { alg: 'ES256' }, ec.privateKey),
    'alg EdDSA with a key of its own': token(good, { alg: 'EdDSA' }, ed.privateKey),
    'alg as a list': token(good, { alg: ['HS256'] as unknown as string }),
    'kid that is the path of a file': token(good, { kid: '../../../../dev/null' }, ''),
    'kid that is a query': token(good, { kid: "x' UNION SELECT 'y" }, 'y'),
    'jku of the attacker': token(good, { alg: 'RS256', jku: 'http://127.0.0.1:9/keys', kid: 'x' }, rsa.privateKey),
    'jwk in the header': token(good, { alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) }, rsa.privateKey),
    'a symmetric jwk in the header': token(good, { jwk: { kty: 'oct', k: base64('k') } }, 'k'),
    'x5u of the attacker': token(good, { alg: 'RS256', x5u: 'http://127.0.0.1:9/cert' }, rsa.privateKey),
    'x5c of the attacker': token(good, { alg: 'RS256', x5c: [base64('x')] }, rsa.privateKey),
    'crit that nobody knows': token(good, { crit: ['x'], x: 1 }),
    'crit b64': token(good, { crit: ['b64'], b64: true }),
    'crit b64, not encoded': token(good, { crit: ['b64'], b64: false }),
    'crit that is empty': token(good, { crit: [] }),
    'typ of a logout token': token(good, { typ: 'logout+jwt' }),
    'typ of a proof': token(good, { typ: 'dpop+jwt' }),
    'typ that is no text': token(good, { typ: 7 }),
    'no exp': token(without('exp')),
    'exp as text': token({ ...good, exp: String(good.exp) }),
    'exp null': token({ ...good, exp: null }),
    'exp that no date can be': token({ ...good, exp: 1e300 }),
    'exp below zero': token({ ...good, exp: -1 }),
    'expired a minute ago': token({ ...good, exp: seconds - 60 }),
    'expired in 1970': token({ ...good, exp: 1 }),
    'not before in a minute': token({ ...good, nbf: seconds + 60 }),
    'nbf as text': token({ ...good, nbf: 'now' }),
    'iat as text': token({ ...good, iat: 'now' }),
    'no aud': token(without('aud')),
    'another aud': token({ ...good, aud: 'somebody-else' }),
    'aud that begins like ours': token({ ...good, aud: `${rules.audience}2` }),
    'other auds': token({ ...good, aud: ['a', 'b'] }),
    'aud as an object': token({ ...good, aud: { [rules.audience]: true } }),
    'no iss': token(without('iss')),
    'another iss': token({ ...good, iss: 'https://issuer.example.evil' }),
    'iss with a slash more': token({ ...good, iss: `${rules.issuer}/` }),
    'no sub': token(without('sub')),
    'sub empty': token({ ...good, sub: '' }),
    'sub null': token({ ...good, sub: null }),
    'sub a list': token({ ...good, sub: ['anna'] }),
    'sub an object': token({ ...good, sub: { user: 'anna' } }),
    'sub with a control character': token({ ...good, sub: 'an\nna' }),
    'sub too long': token({ ...good, sub: 'a'.repeat(129) }),
    'sub empty, with a list': token({ ...good, sub: '', nitka: ['*'] }),
    'claim nitka a text': token({ ...good, nitka: '*' }),
    'claim nitka null': token({ ...good, nitka: null }),
    'claim nitka a list of numbers': token({ ...good, nitka: [1] }),
    'claim nitka an object': token({ ...good, nitka: { '*': true } }),
    'claims that are no object': token('[]'),
    'claims that are null': token('null'),
    'claims that are no JSON': token('{"sub":"anna"'),
    'a header that is no JSON': `${base64('{"alg":')}.${body}.${mark}`,
    'a header that is a list': `${base64('["HS256"]')}.${body}.${mark}`,
  }
}

/** For a server with the public key of `rsa`. */
export function forgedForPublicKey(now: number): Readonly<Record<string, string>> {
  const good = goodClaims(now)
  return {
    'the public key as a shared secret': token(good, { alg: 'HS256' }, pem(rsa)),
    'the public key, trimmed, as a shared secret': token(good, { alg: 'HS256' }, pem(rsa).trim()),
    'the public key in DER as a shared secret': token(
      good,
      { alg: 'HS256' },
      rsa.publicKey.export({ type: 'spki', format: 'der' }),
    ),
    'another key': token(good, { alg: 'RS256' }, otherRsa.privateKey),
    'another key, in the header': token(
      good,
      { alg: 'RS256', jwk: otherRsa.publicKey.export({ format: 'jwk' }) },
      otherRsa.privateKey,
    ),
    'RS512 with the good key': token(good, { alg: 'RS512' }, rsa.privateKey),
    'ES256 with another key': token(good, { alg: 'ES256' }, ec.privateKey),
    none: token(good, { alg: 'none' }),
  }
}
