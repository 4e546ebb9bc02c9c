// What every panel of the page needs of the browser.

export const $ = (id) => document.getElementById(id)

/** Its content is elements, or text, which stays text. */
export function element(tag, properties = {}, ...content) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...content)
  return made
}

/** A name has the same colour in every tab, and names that are alike have different ones. */
export function hueOf(name) {
  return [...name].reduce((hue, letter) => (hue * 33 + letter.codePointAt(0) * 137) % 360, 0)
}

/** What stands in a field of a form; the field is empty then. */
export function take(field) {
  const text = field.value.trim()
  if (text !== '') field.value = ''
  return text
}

/** One item a key, in the order of the keys. What is there stays the same element: no button goes from under a finger. */
export function showItems(list, keys, make) {
  for (const item of [...list.children]) if (!keys.includes(item.dataset.key)) item.remove()
  keys.forEach((key, i) => {
    const at = list.children[i]
    if (at?.dataset.key === key) return
    const item = [...list.children].find(({ dataset }) => dataset.key === key) ?? make(key)
    item.dataset.key = key
    list.insertBefore(item, at ?? null)
  })
}

/**
 * Runs `look` once a second while the page is seen, one at a time. The returned function runs it at once, or once more when
 * it runs already.
 */
export function watch(look) {
  let timer
  let running = false
  let again = false
  const run = async () => {
    again = true
    if (running) return
    running = true
    clearTimeout(timer)
    while (again) {
      again = false
      if (!document.hidden) await look()
    }
    running = false
    timer = setTimeout(run, 1_000)
  }
  document.addEventListener('visibilitychange', run)
  run()
  return run
}
