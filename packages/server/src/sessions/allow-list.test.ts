// What a token permits by its list, and without one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allows, readAllowList } from './allow-list.ts'

test('an entry permits one action, on all targets or on its own, and a star at its end stands for any rest', () => {
  const cases: [entry: string, action: string, target: string, permitted: boolean][] = [
    ['tasks.work', 'tasks.work', 'mail', true],
    ['tasks.work', 'tasks.work', '', true],
    ['tasks.work', 'tasks.add', 'mail', false],
    ['tasks.work', 'tasks.worker', 'mail', false],
    ['tasks.work:mail', 'tasks.work', 'mail', true],
    ['tasks.work:mail', 'tasks.work', 'mails', false],
    ['tasks.work:mail', 'tasks.work', '', false],
    ['tasks.work:', 'tasks.work', 'mail', false],
    ['rooms.join:team-*', 'rooms.join', 'team-a', true],
    ['rooms.join:team-*', 'rooms.join', 'other', false],
    ['backend.send:a:b', 'backend.send', 'a:b', true],
    ['backend.send:*', 'backend.send', '*', true],
    ['backend.send:anna', 'backend.send', '*', false],
    ['admin.*', 'admin.tasks', '', true],
    ['admin.*', 'administrator', '', false],
    ['admin.*:mail', 'admin.tasks', 'mail', true],
    ['admin.*:mail', 'admin.tasks', 'sms', false],
    ['*', 'admin.tasks', 'x', true],
    ['*:lobby', 'rooms.join', 'lobby', true],
    ['*:lobby', 'rooms.join', 'tea', false],
    ['', 'tasks.work', '', false],
    ['tasks', 'tasks.work', '', false],
    ['TASKS.WORK', 'tasks.work', '', false],
    ['rooms.*join', 'rooms.join', '', false],
    ['tasks.work,admin.*', 'admin.tasks', '', false],
  ]
  for (const [entry, action, target, permitted] of cases) {
    assert.equal(allows([entry], action, target), permitted, `${entry} → ${action} ${target}`)
    assert.equal(allows(['relay.join', entry], action, target), permitted)
  }
  assert.equal(allows([], 'relay.join', ''), false)
})

test('without a list somebody may talk and ask, and nothing that the application does itself', () => {
  const ordinary = readAllowList(undefined) ?? []
  for (const action of ['relay.join', 'rooms.create', 'rooms.join', 'direct.send', 'requests.call']) {
    assert.ok(allows(ordinary, action, 'x'), action)
  }
  for (const action of [
    ...['backend.send', 'tasks.add', 'tasks.work', 'tasks.report', 'tasks.read', 'requests.execute', 'requests.read'],
    ...['pools.acquire', 'pools.read', 'admin.tasks', 'admin.pools', 'admin.metrics', 'admin.trace'],
  ]) {
    assert.ok(!allows(ordinary, action, 'x'), action)
  }
  assert.deepEqual(readAllowList(['pools.acquire:desks', 'user']), ['pools.acquire:desks', ...ordinary])
  assert.deepEqual(readAllowList([]), [])
})

test('what is no list of texts is not taken for one', () => {
  for (const claim of [
    null,
    '*',
    'tasks.work',
    true,
    7,
    {},
    { 0: '*' },
    [1],
    ['*', null],
    [['*']],
    Array(257).fill('*'),
  ]) {
    assert.equal(readAllowList(claim), undefined, JSON.stringify(claim))
  }
})
