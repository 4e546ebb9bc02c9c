// Which of many things is due next. A binary heap; what no longer counts stays in it until its time, or until there is too
// much of it.

const fullMin = 1_024

export class Deadlines<Item> {
  #heap: { readonly at: number; readonly item: Item }[] = []
  /** At this size the heap is looked through for what no longer counts. */
  #full = fullMin
  readonly #current: (item: Item, at: number) => boolean

  /** @param current whether the item is still due at that time: what was renewed or ended is not */
  constructor(current: (item: Item, at: number) => boolean) {
    this.#current = current
  }

  get size(): number {
    return this.#heap.length
  }

  add(at: number, item: Item): void {
    if (this.#heap.length >= this.#full) this.#compact()
    this.#push({ at, item })
  }

  /** Costs as much as there is, once in as many additions. */
  #compact(): void {
    const left = this.#heap.filter(({ item, at }) => this.#current(item, at))
    this.#heap = []
    for (const node of left) this.#push(node)
    this.#full = Math.max(fullMin, 2 * left.length)
  }

  #push(node: { readonly at: number; readonly item: Item }): void {
    const heap = this.#heap
    const { at } = node
    let place = heap.length
    heap.push(node)
    while (place > 0) {
      const up = (place - 1) >>> 1
      const parent = heap[up]
      if (parent === undefined || parent.at <= at) break
      heap[place] = parent
      place = up
    }
    heap[place] = node
  }

  /** When the next one is due. */
  get next(): number | undefined {
    for (;;) {
      const top = this.#heap[0]
      if (top === undefined || this.#current(top.item, top.at)) return top?.at
      this.#pop()
    }
  }

  /** Takes one that is due by `now`. */
  take(now: number): Item | undefined {
    const { next } = this
    return next !== undefined && next <= now ? this.#pop()?.item : undefined
  }

  #pop(): { readonly at: number; readonly item: Item } | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let place = 0
    for (;;) {
      const left = 2 * place + 1
      const [one, other] = [heap[left], heap[left + 1]]
      if (one === undefined) break
      const child = other !== undefined && other.at < one.at ? left + 1 : left
      const smaller = heap[child]
      if (smaller === undefined || smaller.at >= last.at) break
      heap[place] = smaller
      place = child
    }
    heap[place] = last
    return top
  }
}
