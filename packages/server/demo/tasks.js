// Tasks: how many are where, and the latest of those that were given up, to be tried again.

import { $, element, showItems, watch } from './page.js'

const deadShown = 12
const pageTasks = 500

export function openTasks(nitka) {
  const latestDead = deadReader(nitka)
  watch(async () => {
    try {
      const [queues, dead] = await Promise.all([nitka.tasks.queues(), latestDead()])
      showQueues(queues)
      const byKey = new Map(dead.map((task) => [`${task.id} ${task.attempt}`, task]))
      showItems($('dead'), [...byKey.keys()], (key) => deadItem(nitka, byKey.get(key)))
      $('taskState').textContent = queues.some(({ paused }) => paused) ? 'a queue is paused' : ''
    } catch (error) {
      $('taskState').textContent = error.message
    }
  })
}

/** They come oldest first, in pages: it remembers where those begin, so that only the last ones are read again. */
function deadReader(nitka) {
  const starts = [undefined]
  const from = (after) => nitka.tasks.dead({ limit: pageTasks, ...(after && { after }) })
  return async () => {
    let page = await from(starts.at(-1))
    while (page.next !== null) {
      starts.push(page.next)
      page = await from(page.next)
    }
    while (page.tasks.length === 0 && starts.length > 1) {
      starts.pop()
      page = await from(starts.at(-1))
    }
    const before = page.tasks.length < deadShown && starts.length > 1 ? (await from(starts.at(-2))).tasks : []
    const ended = (task) => task.attempts.at(-1)?.ended ?? ''
    return [...before, ...page.tasks].slice(-deadShown).sort((a, b) => (ended(a) < ended(b) ? 1 : -1))
  }
}

function showQueues(queues) {
  const rows = queues.map(({ queue, ready, delayed, leased, done, donePerMinute, dead, workers }) => {
    const numbers = [ready, delayed, leased, done, donePerMinute, dead, workers]
    const cells = [queue, ...numbers.map((number) => number.toLocaleString())].map((text) => element('td', {}, text))
    cells[0].title = queue
    if (dead > 0) cells[6].className = 'dead'
    return element('tr', {}, ...cells)
  })
  $('queues').replaceChildren(...rows)
}

function deadItem(nitka, { id, payload, attempts }) {
  const fields = Object.entries(payload).map(([name, value]) => `${name} ${JSON.stringify(value)}`)
  const worker = (name) => (name.length > 8 ? `…${name.slice(-6)}` : name)
  const tried = element(
    'span',
    {
      title: attempts
        .map(({ number, worker, outcome, reason = '' }) => `${number}. ${worker} ${outcome} ${reason}`)
        .join('\n'),
    },
    attempts
      .slice(-3)
      .map((one) => `${one.number}. ${worker(one.worker)} ${one.reason ?? one.outcome}`)
      .join(' · '),
  )
  const head = element('b', {}, `${id} `, element('time', {}, fields.join(', ').slice(0, 80)))
  const button = element('button', { type: 'button', ariaLabel: `Retry ${id}` }, 'Retry')
  const item = element('li', {}, element('p', {}, head, tried), button)
  button.addEventListener('click', async () => {
    button.disabled = true
    try {
      await nitka.tasks.retry(id)
      item.remove()
    } catch (error) {
      button.disabled = false
      tried.textContent = `not retried: ${error.message}`
    }
  })
  return item
}
