import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressKey } from './address.ts'

test('an address counts for itself, one of IPv6 with its network, and this machine not at all', () => {
  const cases: [string, string | undefined][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::2', '0:0:0:0'],
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['::ffff:127.0.0.1', undefined],
    ['', undefined],
  ]
  for (const [address, key] of cases) assert.equal(addressKey(address), key, address)
})
