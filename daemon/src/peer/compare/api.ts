import type { ComparePurpose, CompareResult, WaitingComparison } from '@parley/client-sdk/contract'

/** What a local caller gives. The secret passes to the callee, which wipes it. */
export interface CompareGiven {
  /** 1 to 4,096 bytes. */
  readonly secret: Uint8Array
  /** `verify` only for callers that may change trust. */
  readonly purpose: ComparePurpose
  /** By which `cancel` can tell this call from others. */
  readonly id: string | undefined
}

export interface CompareStart extends CompareGiven {
  readonly contact: string
  readonly question: string
  /** How long the other side may take to answer. */
  readonly timeoutMs: number
}

export interface CompareAnswer extends CompareGiven {
  /** 32 hexadecimal digits. */
  readonly compare: string
}

/** Comparisons, as the socket's methods see them. */
export interface CompareApi {
  /**
   * Compares with a contact. When `signal` aborts, the comparison ends.
   *
   * @throws {DaemonError} `PEER_OFFLINE` `NOT_SUPPORTED` `COMPARE_WAITING` `COMPARE_BUSY` `COMPARE_LOCKED` `COMPARE_REFUSED` `TAMPERED` `TIMED_OUT` `STOPPED`
   * `STORE_UNAVAILABLE` `SHUTTING_DOWN`
   */
  start(request: CompareStart, signal: AbortSignal): Promise<CompareResult>
  /** Answers one that waits. @throws {DaemonError} as `start`; `NO_SUCH_COMPARISON` */
  answer(request: CompareAnswer, signal: AbortSignal): Promise<CompareResult>
  /** Ends the one with a contact, or declines it. @throws {DaemonError} `NO_SUCH_COMPARISON` */
  cancel(contact: string, id: string | undefined): void
  /** Those that contacts have started and nobody has answered, the oldest first. */
  waiting(): readonly WaitingComparison[]
}
