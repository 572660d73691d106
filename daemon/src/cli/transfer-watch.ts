import { type Client, ParleyError, type TransferInfo } from '@parley/client-sdk'

const LIST_WAIT_MS = 30_000

/** Follows what the daemon says of files on their way, as long as it is there, until `end`. What it may miss is only said, never acted on. */
export function watchTransfers(
  parley: Client,
  signal: AbortSignal,
  changed: (transfers: readonly TransferInfo[]) => Promise<void>
): { readonly end: () => Promise<void> } {
  const ending = new AbortController()
  const ended = AbortSignal.any([signal, ending.signal])
  const watching = (async () => {
    let after: string | undefined
    while (!ended.aborted) {
      const page = await parley.transfers.list({ after, waitMs: LIST_WAIT_MS, signal: ended })
      after = page.revision
      await changed(page.transfers)
    }
  })().catch((error: unknown) => {
    // A daemon that is away is told of by the transfer itself.
    if (!ended.aborted && !(error instanceof ParleyError)) throw error
  })
  return {
    end: () => {
      ending.abort()
      return watching
    }
  }
}
