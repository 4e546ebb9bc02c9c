// Validation with errors that say which field, what was wrong and what is allowed.

import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { NitkaError } from '../errors.ts'

/** Checks a value against a schema. @throws NitkaError `invalid` naming the field */
export type Check<S extends TSchema> = (value: unknown) => Static<S>

/** Compiles a check once; running it costs no interpretation. */
export function compileCheck<S extends TSchema>(schema: S): Check<S> {
  const validator = Compile(schema)
  return (value) => {
    if (validator.Check(value)) return value as Static<S>
    throw refusal(validator.Errors(value))
  }
}

interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly message: string
  readonly params: object
}

function refusal(faults: readonly Fault[]): NitkaError {
  // The deepest fault is the most telling: of a union, the branch that was meant.
  // What is missing is deeper than where it is missed, but says less than what is there and wrong.
  const depth = ({ instancePath, keyword }: Fault): number =>
    instancePath.split('/').length + (keyword === 'required' ? 0.5 : 0)
  const fault = [...faults].sort((a, b) => depth(b) - depth(a))[0]
  if (fault === undefined) return new NitkaError('invalid', 'the value is not valid')
  const params = fault.params as Record<string, unknown>
  const path = fault.instancePath.slice(1).replaceAll('/', '.')
  const inside = (names: unknown): string => {
    const [name] = Array.isArray(names) ? names : []
    return path === '' ? String(name) : `${path}.${String(name)}`
  }
  if (fault.keyword === 'required') {
    const field = inside(params.requiredProperties)
    return new NitkaError('invalid', `${field} is missing`, { field })
  }
  if (fault.keyword === 'additionalProperties') {
    const field = inside(params.additionalProperties)
    return new NitkaError('invalid', `${field} is not known here`, { field })
  }
  const field = path === '' ? undefined : path
  // `additionalProperties: false` is told of the property itself, as a schema that admits nothing.
  if (fault.keyword === 'boolean') return new NitkaError('invalid', `${path} is not known here`, { field: path })
  const message = `${field ?? 'the value'} ${allowed(faults, fault) ?? fault.message}`
  return new NitkaError('invalid', message, field === undefined ? {} : { field })
}

/** Of a choice between constants: all of them. */
function allowed(faults: readonly Fault[], fault: Fault): string | undefined {
  if (fault.keyword !== 'const') return undefined
  const values = faults
    .filter(({ keyword, instancePath }) => keyword === 'const' && instancePath === fault.instancePath)
    .map(({ params }) => JSON.stringify((params as { allowedValue?: unknown }).allowedValue))
  return `must be ${values.join(' or ')}`
}
