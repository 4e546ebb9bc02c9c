// A list of what was said. What is on its way stands there faded until it has arrived.

import { element } from './page.js'

const itemsMax = 500

export class Talk {
  #list
  #waiting = new Map()
  /** Whoever reads the end stays at the end, also when the list becomes smaller. */
  #atEnd = true

  constructor(list) {
    this.#list = list
    list.addEventListener('scroll', () => {
      this.#atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60
    })
    new ResizeObserver(() => this.#follow()).observe(list)
  }

  /** `own` stands on the right. */
  show({ label, own = false, text, time = Date.now() }) {
    const clock = new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    const head = element('b', {}, label, element('time', {}, clock))
    return this.#add(
      element('li', { className: own ? 'own' : '' }, head, typeof text === 'string' ? text : JSON.stringify(text)),
    )
  }

  note(text) {
    return this.#add(element('li', { className: 'note' }, text))
  }

  /** Shows it as on its way until `sent` is settled, or `arrived` is called with its key. */
  send(key, { label, text }, sent) {
    const item = this.show({ label, own: true, text })
    item.classList.add('waiting')
    this.#waiting.set(key, item)
    sent.catch((error) => this.note(`not sent: ${error.message}`)).then(() => this.#remove(key, item))
  }

  /** What was sent under that key is shown as what it has become. */
  arrived(key) {
    this.#remove(key, this.#waiting.get(key))
  }

  #remove(key, item) {
    item?.remove()
    if (this.#waiting.get(key) === item) this.#waiting.delete(key)
  }

  #add(item) {
    this.#list.append(item)
    while (this.#list.children.length > itemsMax) this.#list.firstChild.remove()
    if (item.className === 'own') this.#atEnd = true
    this.#follow()
    return item
  }

  #follow() {
    if (this.#atEnd) this.#list.scrollTop = this.#list.scrollHeight
  }
}
