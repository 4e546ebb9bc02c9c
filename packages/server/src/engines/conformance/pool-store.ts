// What every engine must do as a `PoolStore`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PoolRecord, PoolStore } from '../../pools/pool-store.ts'
import { code } from './log-fixtures.ts'

export interface OpenPools {
  readonly pools: PoolStore
  /** Closes the store and opens it again: what was confirmed is there. */
  reopen(): Promise<PoolStore>
}

const record = (kind: PoolRecord['kind'], pool: string, id: string, value = '{}'): PoolRecord => ({
  ...{ kind, pool, id, value },
})

const byKey = (records: readonly PoolRecord[]): string[] =>
  records.map(({ kind, pool, id, value }) => `${kind} ${pool} ${id} ${value}`).sort()

/** @param open a new, empty store */
export function poolStoreConformance(open: (t: import('node:test').TestContext) => Promise<OpenPools>): void {
  test('records of pools are kept, replaced and removed, each call as a whole and after those before it', async (t) => {
    const { pools, reopen } = await open(t)
    assert.deepEqual(await pools.load(), [])
    const odd = '__proto__ ü🦀'
    await pools.save([record('resource', 'a', 'x'), record('hold', 'a', 'x', '{"n":1}'), record('booking', 'ab', odd)])
    const second = pools.save([record('resource', 'a', 'x', '{"n":2}'), { kind: 'booking', pool: 'ab', id: odd }])
    const third = pools.save([record('resource', 'a', 'x', '{"n":3}'), { kind: 'hold', pool: 'b', id: 'none' }])
    await Promise.all([second, third])
    const expected = ['hold a x {"n":1}', 'resource a x {"n":3}']
    assert.deepEqual(byKey(await pools.load()), expected)
    assert.deepEqual(byKey(await (await reopen()).load()), expected)
  })

  test('more records than one reading carries are all there', async (t) => {
    const { pools, reopen } = await open(t)
    const many = Array.from({ length: 3_500 }, (_, i) => record('resource', `p${i % 7}`, `${i}`))
    await pools.save(many)
    assert.deepEqual(byKey(await (await reopen()).load()), byKey(many))
  })

  test('fencing numbers are never given out twice, and grow over restarts', async (t) => {
    const { pools, reopen } = await open(t)
    const blocks = await Promise.all([pools.tokens(10), pools.tokens(1), pools.tokens(1_000)])
    const [first = 0, second = 0, third = 0] = [...blocks].sort((a, b) => a - b)
    assert.ok(first > 0 && second >= first + 1 && third >= second + 1 && Number.isSafeInteger(third))
    const end = Math.max((blocks[0] ?? 0) + 10, (blocks[1] ?? 0) + 1, (blocks[2] ?? 0) + 1_000)
    assert.ok((await (await reopen()).tokens(1)) >= end)
  })

  test('a name that cannot be stored is refused', async (t) => {
    const { pools } = await open(t)
    for (const [pool, id] of [
      ['', 'x'],
      ['p', ''],
      ['p', 'x'.repeat(129)],
      ['p', 'a\0'],
    ] as const) {
      await assert.rejects(pools.save([record('resource', pool, id)]), code('invalid'))
    }
    assert.deepEqual(await pools.load(), [])
  })
}
