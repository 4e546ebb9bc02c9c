// How a reader pages on.

import type { LogPage } from './log-store.ts'

/**
 * The offset that the next page begins at: to pass as `after` when paging up, as `before` when paging down (also when
 * no bound was given). Null: the range holds no more.
 */
export function nextOf(page: LogPage, query: { readonly after?: number; readonly before?: number }): number | null {
  if (!page.more) return null
  const up = query.after !== undefined
  const entry = up ? page.entries.at(-1) : page.entries[0]
  const passed = up ? page.missing.at(-1)?.to : page.missing[0]?.from
  return entry?.offset ?? passed ?? null
}
