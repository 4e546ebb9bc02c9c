// Loops that can be left at any time.

/** A generator whose `return` and `throw` need not wait for the next value: `stop` is called before, and ends that wait. */
export function endable<Value>(
  generator: AsyncGenerator<Value, void, undefined>,
  stop: () => void,
): AsyncGenerator<Value, void, undefined> {
  const end = generator.return.bind(generator)
  const fail = generator.throw.bind(generator)
  return Object.assign(generator, {
    return: (value: void | PromiseLike<void>) => {
      stop()
      return end(value)
    },
    throw: (error: unknown) => {
      stop()
      return fail(error)
    },
  })
}
