// What a browser tells a page: it is seen again, or the network is back. Elsewhere nothing is told.

interface Target {
  addEventListener?(type: string, listener: () => void): void
  removeEventListener?(type: string, listener: () => void): void
}

/** Returns how to stop. */
export function watchPage(look: () => void): () => void {
  const { document } = globalThis as { document?: Target & { readonly visibilityState?: string } }
  if (document === undefined) return () => undefined
  const page = globalThis as Target
  const seen = (): void => {
    if (document.visibilityState === 'visible') look()
  }
  page.addEventListener?.('online', look)
  page.addEventListener?.('pageshow', look)
  document.addEventListener?.('visibilitychange', seen)
  return () => {
    page.removeEventListener?.('online', look)
    page.removeEventListener?.('pageshow', look)
    document.removeEventListener?.('visibilitychange', seen)
  }
}
