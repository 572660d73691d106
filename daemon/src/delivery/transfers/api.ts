import type { TransferInfo } from '@parley/client-sdk/contract'

/** A program that has a transfer: one connection of one. */
export interface TransferApp {
  /** The same object for every call of one connection. */
  readonly key: object
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal
}

/** What waits of a file, as the receiving program gets it. */
export interface TransferChunks {
  /** Where the first chunk starts. */
  readonly position: number
  readonly chunks: readonly Uint8Array[]
  readonly hashes: readonly Uint8Array[]
  /** Of the whole file, in hexadecimal: once everything was given. */
  readonly sha256: string | null
}

/** Files on their way, as the socket's methods see them. Every failure is a `DaemonError`; `contract/methods.ts` says what each does. */
export interface TransfersApi {
  offer(
    app: TransferApp,
    offer: {
      readonly peer: string
      readonly name: string
      readonly size: number
      readonly transfer: string | undefined
    }
  ): TransferInfo
  accept(app: TransferApp, transfer: string, position: number, takeover: boolean): TransferInfo
  write(
    app: TransferApp,
    transfer: string,
    position: number,
    chunks: readonly Uint8Array[],
    hashes: readonly Uint8Array[]
  ): Promise<{ readonly position: number; readonly synced: number }>
  read(app: TransferApp, transfer: string, synced: number, waitMs: number): Promise<TransferChunks>
  finish(app: TransferApp, transfer: string, sha256: string, waitMs: number): Promise<{ readonly confirmed: boolean }>
  pause(app: TransferApp, transfer: string): void
  cancel(transfer: string, code: string, reason: string): void
  list(
    after: string | undefined,
    waitMs: number,
    signal: AbortSignal
  ): Promise<{ readonly transfers: readonly TransferInfo[]; readonly revision: string }>
}
