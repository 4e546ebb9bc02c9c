// Query strings and paths are text: numbers in them are read as JSON would write them, before the schema checks them,
// so that `1.5`, `1e3` and ` 1` are refused instead of bent into shape.

import { compileCheck } from '@nitka/protocol/schemas'
import type { FastifySchemaCompiler } from 'fastify'
import type { TObject, TSchema } from 'typebox'

/** Fastify's validator for our schemas: errors name the field, numbers in queries are read strictly. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = compileCheck(schema)
  const numbers = httpPart === 'body' ? [] : integerFields(schema)
  return (value) => {
    try {
      return { value: check(numbers.length === 0 ? value : withIntegers(value, numbers)) }
    } catch (error) {
      return { error: error as Error }
    }
  }
}

function integerFields(schema: TSchema): string[] {
  const { properties } = schema as Partial<TObject>
  if (properties === undefined) return []
  return Object.entries(properties)
    .filter(([, property]) => (property as { type?: unknown }).type === 'integer')
    .map(([name]) => name)
}

function withIntegers(value: unknown, fields: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = { ...value }
  for (const field of fields) {
    const text = copy[field]
    if (typeof text === 'string' && /^-?\d{1,16}$/.test(text)) copy[field] = Number(text)
  }
  return copy
}
