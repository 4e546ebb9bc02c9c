// An operator of NATS with an account and a user: what a server and the file of credentials of a node hold.

import { nkeys } from '@nats-io/nats-core'

export interface NatsAccount {
  /** Of the server. */
  readonly config: string
  /** Of a node. */
  readonly credentials: string
}

type Pair = ReturnType<typeof nkeys.createUser>

export function natsAccount(): NatsAccount {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()]
  const text = new TextDecoder()
  const ofOperator = token(operator, operator, { type: 'operator', version: 2 })
  const ofAccount = token(operator, account, {
    ...{ type: 'account', version: 2 },
    limits: { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
  })
  const ofUser = token(account, user, { type: 'user', version: 2, subs: -1, data: -1, payload: -1 })
  return {
    config: `operator: ${ofOperator}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${ofAccount} }\n`,
    credentials: [
      `-----BEGIN NATS USER JWT-----\n${ofUser}\n------END NATS USER JWT------\n`,
      `-----BEGIN USER NKEY SEED-----\n${text.decode(user.getSeed())}\n------END USER NKEY SEED------\n`,
    ].join('\n'),
  }
}

function token(issuer: Pair, subject: Pair, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = part({ typ: 'JWT', alg: 'ed25519-nkey' })
  const claims = { jti: 'test', iat: 1, iss: issuer.getPublicKey(), sub: subject.getPublicKey(), nats }
  const text = `${head}.${part(claims)}`
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`
}
