// A question that is answered one at a time: asked fast, the later ones wait in line.

import { $, element, watch } from './page.js'

const askedMax = 20

export function openQuotes(nitka) {
  let asked = 0
  let open = 0
  const refresh = watch(async () => {
    try {
      const { running = 0, waiting = 0 } = (await nitka.requests.queue()).find(({ type }) => type === 'quote') ?? {}
      const line = waiting === 1 ? '1 waits' : `${waiting} wait`
      $('queue').textContent = running + waiting === 0 ? 'Nobody asks now.' : `${running} being answered, ${line}`
    } catch (error) {
      $('queue').textContent = error.message
    }
  })

  $('ask').addEventListener('click', async () => {
    const askedAt = performance.now()
    const text = element('p', {}, 'waits for an answer')
    $('quotes').prepend(element('li', { className: 'waiting' }, element('b', {}, `${++asked}.`), text))
    while ($('quotes').children.length > askedMax) $('quotes').lastChild.remove()
    $('ask').disabled = ++open >= askedMax
    refresh()
    try {
      // Asking again does no harm, so the library may repeat it when the connection is lost.
      const { price } = await nitka.requests.call('quote', {}, { idempotent: true })
      text.textContent = `€ ${price.toFixed(2)} after ${((performance.now() - askedAt) / 1_000).toFixed(1)} s`
    } catch (error) {
      text.textContent = error.message
    }
    text.parentElement.className = ''
    $('ask').disabled = --open >= askedMax
    refresh()
  })
}
