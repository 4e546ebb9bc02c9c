// Who guesses is told to come back: an address from which too many tokens came that were not taken. Where guesses are hopeless,
// as with signed tokens, a good one is taken all the same, since others may share the address; else nothing is looked at
// meanwhile. Whoever shows nothing, or a token that was good once, does not guess.

import { NitkaError } from '@nitka/protocol'
import { Rates } from '../rates.ts'
import type { Clock } from '../world.ts'
import { addressKey } from './address.ts'
import { type Authenticator, type Credentials, ExpiredToken, type Identity } from './auth.ts'

export class LoginGuard implements Authenticator {
  /** Attempts that were told to come back. */
  refused = 0
  readonly required: boolean
  readonly hint?: string
  readonly #inner: Authenticator
  readonly #failures: Rates
  readonly #hopeless: boolean

  /**
   * @param rules `failuresPerMinute` of one address, 0: no limit. `hopeless`: nobody finds a good one by guessing, and looking
   * at one costs little
   */
  constructor(inner: Authenticator, clock: Clock, rules: { failuresPerMinute: number; hopeless: boolean }) {
    const { failuresPerMinute, hopeless } = rules
    this.#hopeless = hopeless
    this.#inner = inner
    this.required = inner.required === true
    if (inner.hint !== undefined) this.hint = inner.hint
    this.#failures = new Rates(clock, { perSecond: failuresPerMinute / 60, burst: failuresPerMinute })
  }

  async identify(credentials: Credentials): Promise<Identity | undefined> {
    const key = addressKey(credentials.address)
    const waitMs = key === undefined ? 0 : this.#failures.waitMs(key)
    if (waitMs > 0 && !this.#hopeless) throw this.#refusal(waitMs)
    try {
      return await this.#inner.identify(credentials)
    } catch (thrown) {
      if (key === undefined || !isGuess(thrown)) throw thrown
      if (waitMs > 0) throw this.#refusal(waitMs)
      this.#failures.take(key)
      throw thrown
    }
  }

  #refusal(waitMs: number): NitkaError {
    this.refused++
    const text = `too much from this address was not taken; come back in ${Math.ceil(waitMs / 1_000)} s`
    return new NitkaError('overloaded', text, { field: 'token' })
  }
}

function isGuess(thrown: unknown): boolean {
  return thrown instanceof NitkaError && thrown.code === 'unauthenticated' && !(thrown instanceof ExpiredToken)
}
