// How many in the last minute, to five seconds: a constant amount of memory, whatever is counted.

const bucketMs = 5_000
const bucketCount = 12

export class LastMinute {
  readonly #buckets = new Array<number>(bucketCount).fill(0)
  /** The bucket that is counted in, since 1970. */
  #current = 0

  /** @param now wall time in milliseconds; what goes back counts as now */
  add(now: number, count: number): void {
    this.#roll(now)
    this.#buckets[this.#current % bucketCount] = (this.#buckets[this.#current % bucketCount] ?? 0) + count
  }

  sum(now: number): number {
    this.#roll(now)
    return this.#buckets.reduce((sum, count) => sum + count, 0)
  }

  #roll(now: number): void {
    const bucket = Math.floor(now / bucketMs)
    const first = Math.max(this.#current + 1, bucket - bucketCount + 1)
    for (let i = first; i <= bucket; i++) this.#buckets[i % bucketCount] = 0
    this.#current = Math.max(this.#current, bucket)
  }
}
