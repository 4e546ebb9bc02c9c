// The application's own types, by name: given once to `connect`, they type everything that travels.

/**
 * What an application sends and takes, all of it optional:
 *
 *     interface App {
 *       rooms: { lobby: { text: string } }
 *       requests: { getProxy: { payload: { site: string }; result: { proxy: string } } }
 *     }
 *     const nitka = connect<App>(url)
 *
 * Types are a promise of the sender, not checked at run time.
 */
export interface Contract {
  /** Room → its messages. */
  readonly rooms?: object
  /** Relay channel → its messages. */
  readonly relay?: object
  /** Direct messages. */
  readonly direct?: unknown
  /** Queue → the payload of its tasks. */
  readonly tasks?: object
  /** Request type → `{payload, result}`. */
  readonly requests?: object
  /** Pool → the data of its resources. */
  readonly pools?: object
}

/** What a name stands for in a part of the contract; `unknown` when the contract does not say. */
export type Named<App extends Contract, Part extends keyof Contract, Name extends string> = Part extends keyof App
  ? Name extends keyof App[Part]
    ? App[Part][Name]
    : unknown
  : unknown

/** Names that the contract knows, and any other. */
export type NameOf<App extends Contract, Part extends keyof Contract> =
  | (Part extends keyof App ? Extract<keyof App[Part], string> : never)
  | (string & {})

export type DirectOf<App extends Contract> = App extends { readonly direct: infer Message } ? Message : unknown

type Member<Value, Key extends string> = Key extends keyof Value ? Value[Key] : unknown
export type PayloadOf<App extends Contract, Type extends string> = Member<Named<App, 'requests', Type>, 'payload'>
export type ResultOf<App extends Contract, Type extends string> = Member<Named<App, 'requests', Type>, 'result'>
