// Things by what they belong to, for ending all of one owner's without looking at the others'.

export class Grouped<Owner extends object, Item> {
  readonly #groups = new Map<Owner, Set<Item>>()
  #size = 0

  /** Of all owners. */
  get size(): number {
    return this.#size
  }

  count(owner: Owner): number {
    return this.#groups.get(owner)?.size ?? 0
  }

  of(owner: Owner): readonly Item[] {
    return [...(this.#groups.get(owner) ?? [])]
  }

  all(): readonly Item[] {
    return [...this.#groups.values()].flatMap((group) => [...group])
  }

  add(owner: Owner, item: Item): void {
    this.#size += 1
    const group = this.#groups.get(owner)
    if (group === undefined) this.#groups.set(owner, new Set([item]))
    else group.add(item)
  }

  delete(owner: Owner, item: Item): void {
    const group = this.#groups.get(owner)
    if (group?.delete(item) !== true) return
    this.#size -= 1
    if (group.size === 0) this.#groups.delete(owner)
  }
}
