// The commands of `nitka tasks`: each checks what it was given, and then does it.

import { isObject, NitkaError } from '@nitka/protocol'
import { type Action, type Flag, yesFlag } from './command.ts'
import { confirmed } from './confirm.ts'
import { callServer, printable, type Target } from './server-call.ts'
import { jsonLine, Table } from './table.ts'
import { addLines, addOne, readTaskOptions, taskFlags } from './task-input.ts'
import { deadRow, deadTitles, describe, type Fields, queueRow, queueTitles, taskRow, taskTitles } from './task-view.ts'

export interface Asked {
  readonly server: Target
  /** Ids, or the name of a queue, or a payload. */
  readonly rest: readonly string[]
  readonly own: Readonly<Record<string, string | undefined>>
  readonly on: ReadonlySet<string>
  /** Characters that fit into a line; infinity when nobody looks. */
  readonly columns: number
  readonly print: (line: string) => void
  /** Resolves when what was printed is taken: nothing piles up before a slow reader, and nothing is cut off by an exit. */
  readonly flushed: () => Promise<void>
}

export interface TaskAction extends Action {
  readonly idsMin: number
  readonly idsMax: number
  /** Checks, and gives what is to be done; that resolves to the exit code. @throws NitkaError `invalid` wrong usage */
  readonly prepare: (asked: Asked) => () => Promise<number>
}

const manyIds = 1_000
const pageSize = 500
const states = ['ready', 'delayed', 'leased', 'done', 'dead']

const queueFlag: Flag = { name: 'queue', value: 'Q', doc: 'of this queue only; default: of all' }
const limitFlag: Flag = { name: 'limit', value: 'N', doc: 'so many at most; default: all' }
const stateFlag: Flag = { name: 'state', value: 'S', doc: 'in this state only', among: states }
const allFlag: Flag = { name: 'all', doc: 'all of them, instead of named ones' }

export const actions: Readonly<Record<string, TaskAction>> = {
  list: {
    usage: '[--queue Q] [--state S] [--limit N]',
    doc: `tasks, oldest first; a state is one of ${states.join(', ')}`,
    flags: [queueFlag, stateFlag, limitFlag],
    idsMin: 0,
    idsMax: 0,
    prepare: (asked) => listed(asked, '/tasks', taskTitles, taskRow),
  },
  add: {
    usage: '[PAYLOAD] [--queue Q] [--key K] [--group G] [--priority N] [--delay MS]',
    doc: 'adds a task, or one for every line of JSON on standard input',
    flags: taskFlags,
    idsMin: 0,
    idsMax: 1,
    prepare: add,
  },
  show: { usage: 'ID', doc: 'a task with its attempts', flags: [], idsMin: 1, idsMax: 1, prepare: show },
  dead: {
    usage: '[--queue Q] [--limit N]',
    doc: 'dead letters, and what became of their last attempt',
    flags: [queueFlag, limitFlag],
    idsMin: 0,
    idsMax: 0,
    prepare: (asked) => listed(asked, '/tasks/dead', deadTitles, deadRow),
  },
  retry: {
    usage: 'ID… | --all [--queue Q]',
    doc: 'makes dead letters ready again',
    flags: [queueFlag, allFlag],
    idsMin: 0,
    idsMax: manyIds,
    prepare: (asked) => chosen(asked, 'retry', retryAll),
  },
  drop: {
    usage: 'ID… | --all [--queue Q] [--yes]',
    doc: 'removes dead letters',
    flags: [queueFlag, allFlag, yesFlag],
    idsMin: 0,
    idsMax: manyIds,
    prepare: (asked) => chosen(asked, 'drop', dropAll),
  },
  bury: {
    usage: 'ID… [--reason TEXT]',
    doc: 'makes tasks dead letters now',
    flags: [{ name: 'reason', value: 'TEXT', doc: 'kept in the history of the task' }],
    idsMin: 1,
    idsMax: manyIds,
    prepare: (asked) => () => each(asked, 'bury'),
  },
  pause: {
    usage: 'QUEUE',
    doc: 'hands out nothing more',
    flags: [],
    idsMin: 1,
    idsMax: 1,
    prepare: (asked) => paused(asked, true),
  },
  resume: {
    usage: 'QUEUE',
    doc: 'hands out again',
    flags: [],
    idsMin: 1,
    idsMax: 1,
    prepare: (asked) => paused(asked, false),
  },
  purge: {
    usage: 'QUEUE [--yes]',
    doc: 'removes the ready and delayed tasks of a queue',
    flags: [yesFlag],
    idsMin: 1,
    idsMax: 1,
    prepare: purge,
  },
  queues: {
    usage: '',
    doc: 'the queues and their counts',
    flags: [],
    idsMin: 0,
    idsMax: 0,
    prepare: (asked) => () => queues(asked),
  },
}

function wrong(message: string): NitkaError {
  return new NitkaError('invalid', message)
}

function query(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

/** The list under a name in an answer, whatever was answered. */
function listIn(answer: unknown, name: string): readonly Fields[] {
  const list = isObject(answer) ? answer[name] : undefined
  return Array.isArray(list) ? list.filter(isObject) : []
}

function listed(
  asked: Asked,
  path: string,
  titles: readonly string[],
  row: (task: Fields) => readonly string[],
): () => Promise<number> {
  const { queue, state, limit } = asked.own
  if (state !== undefined && !states.includes(state))
    throw wrong(`--state is one of ${states.join(', ')}, not ${state}`)
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(limit))
    throw wrong(`--limit must be a whole number from 1 up, not ${limit}`)
  return async () => {
    const table = new Table(titles, asked.columns)
    let left = limit === undefined ? Number.POSITIVE_INFINITY : Number(limit)
    let after: string | undefined
    let none = true
    do {
      const size = `${Math.min(pageSize, left)}`
      const page = await callServer(asked.server, 'GET', path + query({ queue, state, after, limit: size }))
      const tasks = listIn(page, 'tasks').slice(0, left)
      const rows = tasks.map((task) => (asked.on.has('json') ? jsonLine(task) : row(task)))
      if (asked.on.has('json')) for (const line of rows) asked.print(line as string)
      else if (tasks.length > 0) for (const line of table.lines(rows as string[][])) asked.print(line)
      await asked.flushed()
      none &&= tasks.length === 0
      left -= tasks.length
      const next = isObject(page) && typeof page.next === 'string' ? page.next : undefined
      after = next === after ? undefined : next
    } while (after !== undefined && left > 0)
    if (none && !asked.on.has('json')) console.error('nitka: there are none')
    return 0
  }
}

function add(asked: Asked): () => Promise<number> {
  const options = readTaskOptions(asked.own)
  const [payload] = asked.rest
  const told = (added: readonly Fields[]): void => {
    for (const task of added) {
      const text = `${task.id}${task.repeated === true ? ' (its key was added before)' : ''}`
      asked.print(asked.on.has('json') ? jsonLine(task) : printable(text))
    }
  }
  const send = async (tasks: readonly unknown[]): Promise<void> => {
    told(listIn(await callServer(asked.server, 'POST', '/tasks', tasks), 'tasks'))
    await asked.flushed()
  }
  if (payload !== undefined && payload !== '-') return addOne(payload, options, send)
  if (payload === undefined && process.stdin.isTTY) {
    throw wrong('usage: nitka tasks add \'{"Period":100}\', or lines of JSON on standard input')
  }
  return addLines(process.stdin, options, send)
}

function show(asked: Asked): () => Promise<number> {
  return async () => {
    const task = await callServer(asked.server, 'GET', `/tasks/${encodeURIComponent(asked.rest[0] ?? '')}`)
    const lines = asked.on.has('json') ? [jsonLine(task)] : describe(isObject(task) ? task : {}, asked.columns)
    for (const line of lines) asked.print(line)
    return 0
  }
}

/** Dead letters by id, or all of them. */
function chosen(asked: Asked, what: 'retry' | 'drop', all: (asked: Asked) => Promise<number>): () => Promise<number> {
  const everything = asked.on.has('all')
  if (everything === asked.rest.length > 0) throw wrong(`usage: nitka tasks ${what} ${actions[what]?.usage}`)
  if (!everything && asked.own.queue !== undefined) throw wrong('--queue goes with --all; an id names its task alone')
  if (!everything) return () => each(asked, what)
  if (what === 'drop') askable(asked)
  return () => all(asked)
}

/** One call an id. What is refused is said, the others are done. */
async function each(asked: Asked, what: 'retry' | 'drop' | 'bury'): Promise<number> {
  const { server, own } = asked
  let refused = 0
  for (const id of asked.rest) {
    const at = encodeURIComponent(id)
    const reason = own.reason === undefined ? {} : { reason: own.reason }
    try {
      if (what === 'drop') await callServer(server, 'DELETE', `/tasks/dead/${at}`)
      else if (what === 'retry') await callServer(server, 'POST', `/tasks/dead/${at}/retry`)
      else await callServer(server, 'POST', `/tasks/${at}/bury`, reason)
      const became = { retry: 'is ready again', drop: 'is removed', bury: 'is a dead letter' }[what]
      asked.print(asked.on.has('json') ? jsonLine({ id, done: what }) : printable(`${id} ${became}`))
    } catch (error) {
      if (!(error instanceof NitkaError) || error.code === 'unavailable') throw error
      refused++
      console.error(`nitka: ${printable(id)}: ${error.message}`)
    }
  }
  return refused === 0 ? 0 : 1
}

async function retryAll({ server, own, ...asked }: Asked): Promise<number> {
  const answer = await callServer(server, 'POST', `/tasks/dead/retry${query({ queue: own.queue })}`)
  tell(asked, answer, 'retried', ['dead letter is ready again', 'dead letters are ready again'])
  return 0
}

async function dropAll({ server, own, ...asked }: Asked): Promise<number> {
  const of = own.queue === undefined ? 'all queues' : `the queue ${own.queue}`
  if (!(await confirmed(asked, `This removes all dead letters of ${of}.`, 'yes'))) return 1
  const answer = await callServer(server, 'DELETE', `/tasks/dead${query({ queue: own.queue })}`)
  tell(asked, answer, 'dropped', ['dead letter is removed', 'dead letters are removed'])
  return 0
}

function tell(
  { on, print }: Pick<Asked, 'on' | 'print'>,
  answer: unknown,
  name: string,
  [one, many]: readonly [string, string],
): void {
  const count = isObject(answer) ? answer[name] : undefined
  print(on.has('json') ? jsonLine(answer) : printable(`${count} ${count === 1 ? one : many}`))
}

/** What cannot be taken back is asked for, so there must be somebody to ask. */
function askable({ on }: Asked): void {
  if (!on.has('yes') && !process.stdin.isTTY) throw wrong('this cannot be undone; say --yes when nobody can be asked')
}

function paused(asked: Asked, value: boolean): () => Promise<number> {
  const [queue = ''] = asked.rest
  return async () => {
    const answer = await callServer(asked.server, 'PATCH', `/queues/${encodeURIComponent(queue)}`, { paused: value })
    const sentence = printable(`${queue} ${value ? 'is paused' : 'hands out tasks'}`)
    asked.print(asked.on.has('json') ? jsonLine(answer) : sentence)
    return 0
  }
}

function purge(asked: Asked): () => Promise<number> {
  const [queue = ''] = asked.rest
  askable(asked)
  return async () => {
    const sentence = `This removes every ready and delayed task of the queue ${queue}.`
    if (!(await confirmed(asked, sentence, queue))) return 1
    const path = `/queues/${encodeURIComponent(queue)}/tasks${query({ confirm: queue })}`
    tell(asked, await callServer(asked.server, 'DELETE', path), 'purged', ['task is removed', 'tasks are removed'])
    return 0
  }
}

async function queues(asked: Asked): Promise<number> {
  const all = listIn(await callServer(asked.server, 'GET', '/queues'), 'queues')
  const lines = asked.on.has('json')
    ? all.map(jsonLine)
    : new Table(queueTitles, asked.columns).lines(all.map(queueRow))
  for (const line of lines) asked.print(line)
  return 0
}
