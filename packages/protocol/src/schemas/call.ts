// What a call of the rpc dialect is described by.

import Type, { type TSchema } from 'typebox'

export interface Call {
  readonly doc: string
  readonly params: TSchema
  readonly result: TSchema
}

export const strict = { additionalProperties: false } as const
export const Empty = Type.Object({}, strict)
