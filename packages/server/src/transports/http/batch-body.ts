// The body of a batch. Which kind an operation is of says its one key, so what is wrong with it is told of that kind.

import { limits, NitkaError } from '@nitka/protocol'
import { http as bodies, compileCheck, tasks } from '@nitka/protocol/schemas'
import Type, { type Static } from 'typebox'

const strict = { additionalProperties: false }
const kinds = {
  user: compileCheck(Type.Object({ user: bodies.SendUser }, strict)),
  system: compileCheck(Type.Object({ system: bodies.SendSystem }, strict)),
  room: compileCheck(Type.Object({ room: bodies.SendRoom }, strict)),
  task: compileCheck(Type.Object({ task: tasks.TaskInput }, strict)),
} as const

const checkList = compileCheck(
  Type.Object({ operations: Type.Array(Type.Object({}), { minItems: 1, maxItems: limits.batchMax }) }),
)

/** Checks the body of `POST /batch`; the error names the operation and its field. */
export function readBatch(body: unknown): { value: Static<typeof bodies.Batch> } | { error: Error } {
  try {
    for (const [i, operation] of checkList(body).operations.entries()) checkOperation(operation, `operations.${i}`)
    return { value: body as Static<typeof bodies.Batch> }
  } catch (error) {
    return { error: error as Error }
  }
}

function checkOperation(operation: object, place: string): void {
  const [kind, ...others] = Object.keys(operation)
  if (kind === undefined || others.length > 0 || !isKind(kind)) {
    const choice = Object.keys(kinds).join(', ')
    throw new NitkaError('invalid', `${place} must have exactly one of ${choice}`, { field: place })
  }
  try {
    kinds[kind](operation)
  } catch (error) {
    if (!(error instanceof NitkaError)) throw error
    throw new NitkaError(error.code, `${place}.${error.message}`, { field: `${place}.${error.field ?? kind}` })
  }
}

function isKind(name: string): name is keyof typeof kinds {
  return Object.hasOwn(kinds, name)
}
