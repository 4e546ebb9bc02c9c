// How a reader pages on.

import type { LogPage } from './log-store.ts'

/**
 * The offset that the next page begins at: to pass as `after` when paging up, as `before` when paging down (also when
 * no bound was given). Null: the range holds no more. A page that left entries out says itself what it `reached`.
 */
export function nextOf(
  page: LogPage & { readonly reached?: number },
  query: { readonly after?: number; readonly before?: number },
): number | null {
  if (!page.more) return null
  if (page.reached !== undefined) return page.reached
  const up = query.after !== undefined
  const entry = up ? page.entries.at(-1) : page.entries[0]
  const passed = up ? page.missing.at(-1)?.to : page.missing[0]?.from
  return entry?.offset ?? passed ?? null
}
