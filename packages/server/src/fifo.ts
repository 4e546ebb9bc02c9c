// First in, first out, without moving what waits.

export class Fifo<Item> {
  #items: (Item | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  get first(): Item | undefined {
    return this.#items[this.#head]
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head > 1_000 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Drops what does not pass. Costs as much as there is. */
  keep(passes: (item: Item) => boolean): void {
    this.#items = this.#items.slice(this.#head).filter((item) => item !== undefined && passes(item))
    this.#head = 0
  }

  *[Symbol.iterator](): Generator<Item> {
    for (let i = this.#head; i < this.#items.length; i++) {
      const item = this.#items[i]
      if (item !== undefined) yield item
    }
  }
}
