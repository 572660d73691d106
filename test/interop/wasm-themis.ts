import type * as WasmThemis from 'wasm-themis'

const PROCESS_EVENTS = ['uncaughtException', 'unhandledRejection'] as const

/**
 * Loads the reference. While a global `fetch` exists it would fetch its own code by URL and fail, so that is hidden until
 * it is ready; and it installs handlers for uncaught errors on the whole process, which are taken off again.
 */
export async function loadWasmThemis(): Promise<typeof WasmThemis> {
  const before = PROCESS_EVENTS.map(event => process.rawListeners(event))
  const { fetch } = globalThis
  Reflect.deleteProperty(globalThis, 'fetch')
  try {
    const themis = await import('wasm-themis')
    await themis.initialized
    return themis
  } finally {
    globalThis.fetch = fetch
    for (const [i, event] of PROCESS_EVENTS.entries()) {
      for (const listener of process.rawListeners(event)) {
        if (!before[i]?.includes(listener)) process.off(event, listener as () => void)
      }
    }
  }
}
