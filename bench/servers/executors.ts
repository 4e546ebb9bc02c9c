// The executor of the benchmark: the payload, as it came.

export default { echo: (payload: unknown) => payload }
