// A worker in its plain dialect: tasks come as unnamed events of a stream, reports go by POST. Nothing is said on the
// stream itself.

import { limits, NitkaError } from '@nitka/protocol'
import { http } from '@nitka/protocol/schemas'
import type { Authorize } from '../../sessions/auth.ts'
import { demand } from '../../sessions/auth.ts'
import type { EndpointRequest, Speaker, StreamEndpoint } from '../../sessions/dialect.ts'
import type { Session } from '../../sessions/session.ts'
import type { Ended, Lease } from '../../tasks/task-store.ts'
import type { Tasks } from '../../tasks/tasks.ts'
import type { Work } from '../../tasks/views.ts'
import { workerName } from '../worker-name.ts'

const batchMax = limits.tasksMax

/** `/task?batchsize=N`, optionally `&queue=`. */
export function taskEndpoint(tasks: Tasks, authorize: Authorize): StreamEndpoint {
  return {
    path: '/task',
    identity: 'optional',
    query: http.TaskStream,
    doc: 'A stream of tasks for a worker: batches of up to `batchsize`, the next when the last one is settled',
    async admit(caller, request) {
      const { queue } = wishOf(request)
      await demand(authorize, caller.who, 'tasks.work', queue)
    },
    open: (session, request) => new PlainTask(session, tasks, wishOf(request)),
  }
}

class PlainTask implements Speaker {
  readonly #session: Session
  readonly #work: Work

  constructor(session: Session, tasks: Tasks, wish: { readonly queue: string; readonly batch: number }) {
    this.#session = session
    this.#work = tasks.work(
      { id: workerName(session), ...wish },
      {
        batch: (leases) => session.deliver(Buffer.from(leases.map(eventOf).join(''))),
        lost: (ended) => session.deliver(Buffer.from(lostText(ended))),
        silent: () => session.close('tryLater'),
      },
    )
  }

  /** Who reads events by the book waits so long before it comes back. */
  draining(afterMs: number): void {
    this.#session.deliver(Buffer.from(`retry: ${Math.max(1_000, afterMs)}\n\n`))
  }

  closed(): void {
    this.#work.close()
  }
}

/** Runs once per task handed out. The payload is JSON text of an object, in one line. */
function eventOf({ task, attempt, token, deadline }: Lease): string {
  const rest = task.payload === '{}' ? '' : `,${task.payload.slice(1, -1)}`
  const ours = `"Id":"${task.id}"${rest},"Attempt":${attempt},"Token":"${token}"`
  return `id: ${task.id}\ndata: {${ours},"Deadline":"${new Date(deadline).toISOString()}"}\n\n`
}

function lostText({ id, attempt, token, how }: Ended): string {
  const data = JSON.stringify({ Id: id, Attempt: attempt, Token: token, Because: how })
  return `event: lease-lost\ndata: ${data}\n\n`
}

/** @throws NitkaError `invalid` */
function wishOf({ query }: EndpointRequest): { readonly queue: string; readonly batch: number } {
  const sizes = query.getAll('batchsize')
  const [text = ''] = sizes
  const batch = Number(text)
  if (sizes.length !== 1 || !/^\d{1,4}$/.test(text) || batch < 1 || batch > batchMax) {
    const given = sizes.length === 0 ? 'is missing' : `must not be ${JSON.stringify(sizes.join('&').slice(0, 40))}`
    throw new NitkaError(
      'invalid',
      `batchsize ${given}: say how many tasks at once, an integer from 1 to ${batchMax}`,
      {
        field: 'batchsize',
      },
    )
  }
  const queues = query.getAll('queue')
  const [queue = 'default'] = queues
  if (queues.length > 1 || !/^[A-Za-z0-9_-]{1,128}$/.test(queue)) {
    const allowed = 'one name of 1 to 128 of the characters A-Z a-z 0-9 _ -'
    throw new NitkaError('invalid', `queue must be ${allowed}`, { field: 'queue' })
  }
  return { queue, batch }
}
