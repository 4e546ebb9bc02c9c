// nitka pools: what pools there are, who holds what, and how resources come and go; asked of a running server.

import { isObject, NitkaError } from '@nitka/protocol'
import { type Action, type Command, type Flag, readArguments } from './command.ts'
import { explain } from './help.ts'
import { holdLines, poolLines, statusLines } from './pool-view.ts'
import { callServer, printable, targetOf } from './server-call.ts'
import { text } from './table.ts'
import { usage } from './usage.ts'

type Body = Readonly<Record<string, unknown>>

interface PoolAction extends Action {
  /** Arguments that it takes: at least, at most. */
  readonly count: readonly [number, number]
  readonly body: (rest: readonly string[], own: Readonly<Record<string, string | undefined>>) => Body
  /** The answer, for people. */
  readonly lines: (answer: Body, columns: number, rest: readonly string[]) => readonly string[]
}

const resourcesMax = 1_000
const acquireFlags: readonly Flag[] = [
  { name: 'count', value: 'N', doc: 'how many resources, all or none; default: 1' },
  { name: 'ttl', value: 'MS', doc: 'how long they are held' },
  { name: 'wait', value: 'MS', doc: 'how long to wait until so many are free; default: not at all' },
]

export const actions: Readonly<Record<string, PoolAction>> = {
  list: {
    usage: '',
    doc: 'the pools, and how much of them is free',
    flags: [],
    count: [0, 0],
    body: () => ({}),
    lines: ({ pools }, columns) => poolLines(Array.isArray(pools) ? pools : [], columns),
  },
  status: {
    usage: 'POOL',
    doc: 'a pool with its holds',
    flags: [],
    count: [1, 1],
    body: ([pool]) => ({ pool }),
    lines: statusLines,
  },
  add: {
    usage: 'POOL RESOURCE…',
    doc: 'adds resources to a pool, which is made when it is not there',
    flags: [],
    count: [2, 1 + resourcesMax],
    body: ([pool, ...resources]) => ({ pool, resources }),
    lines: ({ added }, _columns, [pool]) => [printable(`${text(added)} added to ${pool}`)],
  },
  remove: {
    usage: 'POOL RESOURCE…',
    doc: 'removes resources from a pool',
    flags: [],
    count: [2, 1 + resourcesMax],
    body: ([pool, ...resources]) => ({ pool, resources }),
    lines: ({ removed }, _columns, [pool]) => [printable(`${text(removed)} removed from ${pool}`)],
  },
  acquire: {
    usage: 'POOL [--count N] [--ttl MS] [--wait MS]',
    doc: 'takes resources of a pool and prints the hold',
    flags: acquireFlags,
    count: [1, 1],
    body: ([pool], own) => {
      const given = acquireFlags.filter(({ name }) => own[name] !== undefined)
      return { pool, ...Object.fromEntries(given.map(({ name }) => [name, wholeNumber(name, own[name])])) }
    },
    lines: holdLines,
  },
  release: {
    usage: 'HOLD',
    doc: 'gives a hold back',
    flags: [],
    count: [1, 1],
    body: ([hold = '']) => {
      if (/^[0-9a-f]{32}$/.test(hold)) return { hold }
      throw new NitkaError('invalid', `${printable(hold)} is no hold; \`nitka pools status POOL\` lists them`)
    },
    lines: (_answer, _columns, [hold]) => [`${hold} is given back`],
  },
}

export async function pools(args: readonly string[], command: Command): Promise<number> {
  const [name, ...rest] = args
  const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
  if (name === undefined || action === undefined) return explain(name, command, Object.keys(actions))
  const asked = usage(() => read(name, action, rest, command.flags))
  if (asked === undefined) return 2
  const answer = await callServer(asked.url, 'POST', `/pools/${name}`, asked.body)
  if (asked.json) console.log(JSON.stringify(answer))
  else {
    const columns = process.stdout.isTTY ? (process.stdout.columns ?? 80) : Number.POSITIVE_INFINITY
    const lines = action.lines(isObject(answer) ? answer : {}, columns, asked.rest)
    for (const line of lines) console.log(line)
    if (lines.length === 0) console.error('nitka: there are none')
  }
  return 0
}

/** @throws NitkaError `invalid` */
function read(name: string, action: PoolAction, args: readonly string[], shared: readonly Flag[]) {
  const [least, most] = action.count
  const { config, rest, own, on } = readArguments(args, [...shared, ...action.flags], 1 + resourcesMax)
  if (rest.length < least || rest.length > most) {
    throw new NitkaError('invalid', `usage: nitka pools ${`${name} ${action.usage}`.trimEnd()}`)
  }
  return { url: targetOf(own.url, config), json: on.has('json'), rest, body: action.body(rest, own) }
}

/** @throws NitkaError `invalid` */
function wholeNumber(name: string, value: string | undefined): number {
  if (value !== undefined && /^\d{1,12}$/.test(value)) return Number(value)
  throw new NitkaError('invalid', `--${name} must be a whole number${name === 'count' ? '' : ' of ms'}, not ${value}`)
}
