// Arrays of Postgres as text. The library would ask each connection for their types, in a query that nobody waits for: a
// connection that is lost in that moment would end the process.

type Element = string | number | boolean | null

/** Object ids of the types that the stores use: element → array. */
const oids = { bool: 1000, int4: 1007, text: 1009, int8: 1016 } as const

/** `{1,NULL,"a \"b\""}` */
export function arrayText(elements: readonly Element[]): string {
  const texts = elements.map((one) => {
    if (one === null) return 'NULL'
    if (typeof one === 'string') return `"${one.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
    return String(one)
  })
  return `{${texts.join(',')}}`
}

/** Elements of an array of one dimension, as texts. */
export function arrayElements(text: string): (string | null)[] {
  const found: (string | null)[] = []
  for (const [, quoted, bare = ''] of text.slice(1, -1).matchAll(/(?:"((?:[^"\\]|\\.)*)"|([^,]+))(?:,|$)/gs)) {
    if (quoted !== undefined) found.push(quoted.replaceAll(/\\(.)/gs, '$1'))
    else found.push(bare === 'NULL' ? null : bare)
  }
  return found
}

function numbers(text: string): (number | null)[] {
  return arrayElements(text).map((one) => (one === null ? null : Number(one)))
}

interface ArrayType {
  readonly to: number
  readonly from: number[]
  readonly serialize: (value: unknown) => string
  readonly parse: (text: string) => unknown
}

function arrayType(oid: number, parse: (text: string) => unknown): ArrayType {
  // One that is a text already is so on purpose.
  const serialize = (value: unknown): string => (Array.isArray(value) ? arrayText(value) : String(value))
  return { to: oid, from: [oid], serialize, parse }
}

/** For the library's `types`. */
export const arrayTypes = {
  bools: arrayType(oids.bool, (text) => arrayElements(text).map((one) => (one === null ? null : one === 't'))),
  ints: arrayType(oids.int4, numbers),
  texts: arrayType(oids.text, arrayElements),
  bigints: arrayType(oids.int8, numbers),
}
