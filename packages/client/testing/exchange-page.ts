// What a page runs in a test of `exchange`: bundled, and loaded as a script.

import { connect, type NitkaOptions } from '../src/index.ts'
import { exchange, type Told } from './exchange.ts'

/** Connects two clients to `url` and lets them send each other `count` messages. */
async function runExchange(url: string, options: NitkaOptions, count: number): Promise<Told> {
  const anna = connect(`${url}?user=anna`, options)
  const bert = connect(`${url}?user=bert`, options)
  const told = await exchange(anna, bert, count, 64)
  anna.close()
  bert.close()
  return told
}

Object.assign(globalThis, { runExchange })
