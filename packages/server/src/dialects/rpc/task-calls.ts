// tasks.*

import { NitkaError } from '@nitka/protocol'
import { queueAnswer, type ReportWish, reportAnswer, reportsOf, taskAnswer } from '../../tasks/answers.ts'
import type { TaskInput } from '../../tasks/task-input.ts'
import type { Ended, Lease, QueueSettings, TaskState } from '../../tasks/task-store.ts'
import { workerName } from '../worker-name.ts'
import type { Handlers, RpcContext } from './context.ts'
import { notification } from './encoders.ts'
import { demandSubscription } from './subscriptions.ts'

interface ListParams {
  queue?: string
  state?: TaskState
  after?: string
  limit?: number
}

interface OneParams {
  id: string
}

export const taskCalls: Handlers<'tasks'> = {
  async 'tasks.work'(context: RpcContext, { queue = 'default', batch }: { queue?: string; batch: number }) {
    const { session, services, works, permits } = context
    await permits.demand(session.who, 'tasks.work', queue)
    if (works.has(queue)) {
      throw new NitkaError('conflict', `this connection works on ${queue} already; call tasks.stop first`, {
        field: 'queue',
      })
    }
    demandSubscription(context)
    const worker = `${workerName(session)}/${queue}`
    if (session.ended !== undefined) return {}
    works.set(
      queue,
      services.tasks.work(
        { id: worker, queue, batch },
        {
          batch: (leases) => session.deliver(session.wire.framing.text(batchText(queue, leases))),
          lost: (ended) => session.reply(notification('tasks.lost', lostText(ended))),
          silent: () => session.close('tryLater', 'nothing was heard of the tasks; come back'),
        },
      ),
    )
    return { worker, queue, batch }
  },

  async 'tasks.stop'({ works, permits }: RpcContext, { queue = 'default' }: { queue?: string }) {
    await permits.turn()
    works.get(queue)?.close()
    works.delete(queue)
    return {}
  },

  async 'tasks.report'({ session, services, works, permits }: RpcContext, wish: ReportWish) {
    await permits.demand(session.who, 'tasks.report', '')
    const name = workerName(session)
    const holder = (id: string): string => {
      for (const work of works.values()) if (work.has(id)) return work.worker
      return name
    }
    const reports = reportsOf(wish, holder)
    return reportAnswer(reports, await services.tasks.report(reports))
  },

  async 'tasks.extend'(
    { session, services, permits }: RpcContext,
    { id, token, lease }: OneParams & { token: string; lease?: number },
  ) {
    await permits.demand(session.who, 'tasks.report', id)
    return { until: new Date(await services.tasks.extend(id, token, lease)).toISOString() }
  },

  async 'tasks.progress'(
    { session, services, permits }: RpcContext,
    { id, token, progress }: OneParams & { token: string; progress: unknown },
  ) {
    await permits.demand(session.who, 'tasks.report', id)
    await services.tasks.progress(id, token, progress)
    return {}
  },

  async 'tasks.add'({ session, services, permits }: RpcContext, wish: { tasks: TaskInput[] }) {
    const tasks = services.tasks.read(wish.tasks)
    for (const queue of new Set(tasks.map((task) => task.queue))) {
      await permits.demand(session.who, 'tasks.add', queue)
    }
    return { tasks: await services.tasks.addAll(tasks) }
  },

  async 'tasks.get'({ session, services, permits }: RpcContext, { id }: OneParams) {
    await permits.demand(session.who, 'tasks.read', id)
    return taskAnswer(await services.tasks.get(id))
  },

  async 'tasks.list'({ session, services, permits }: RpcContext, { limit = 50, ...query }: ListParams) {
    await permits.demand(session.who, 'tasks.read', query.queue ?? '')
    const { tasks, next = null } = await services.tasks.list({ ...query, limit })
    return { tasks: tasks.map(taskAnswer), next }
  },

  async 'tasks.dead'({ session, services, permits }: RpcContext, { limit = 50, ...query }: ListParams) {
    await permits.demand(session.who, 'tasks.read', query.queue ?? '')
    const { tasks, next = null } = await services.tasks.list({ ...query, state: 'dead', limit })
    return { tasks: tasks.map(taskAnswer), next }
  },

  async 'tasks.retry'({ session, services, permits }: RpcContext, { id }: OneParams) {
    await permits.demand(session.who, 'admin.tasks', id)
    return taskAnswer(await services.tasks.retry(id))
  },

  async 'tasks.drop'({ session, services, permits }: RpcContext, { id }: OneParams) {
    await permits.demand(session.who, 'admin.tasks', id)
    await services.tasks.drop(id)
    return {}
  },

  async 'tasks.bury'({ session, services, permits }: RpcContext, { id, reason }: OneParams & { reason?: string }) {
    await permits.demand(session.who, 'admin.tasks', id)
    return taskAnswer(await services.tasks.bury(id, reason))
  },

  async 'tasks.queues'({ session, services, permits }: RpcContext) {
    await permits.demand(session.who, 'tasks.read', '')
    return { queues: services.tasks.queues().map(queueAnswer) }
  },

  async 'tasks.configure'(
    { session, services, permits }: RpcContext,
    { queue, settings }: { queue: string; settings: Partial<QueueSettings> },
  ) {
    await permits.demand(session.who, 'admin.tasks', queue)
    return services.tasks.configure(queue, settings)
  },
}

/** The payload is JSON text already. */
function batchText(queue: string, leases: readonly Lease[]): string {
  const tasks = leases.map(({ task, attempt, token, deadline }) => {
    const time = new Date(deadline).toISOString()
    const rest = `"attempt":${attempt},"token":"${token}","deadline":"${time}","lease":${task.leaseMs}`
    return `{"id":"${task.id}","payload":${task.payload},${rest}}`
  })
  return notification('tasks.batch', `{"queue":"${queue}","tasks":[${tasks.join(',')}]}`)
}

function lostText({ id, queue, attempt, token, how }: Ended): string {
  return JSON.stringify({ id, queue, attempt, token, because: how })
}
