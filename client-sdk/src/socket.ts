/** Why a socket is over: a WebSocket close code, 1006 where the other side vanished. */
export interface AppSocketEnd {
  readonly code: number
  readonly reason: string
}

/** What a socket tells its one reader, one call at a time and never from inside a call to the socket. */
export interface AppSocketReader {
  /** One whole message. The reader owns `data`. */
  message(data: Uint8Array): void
  /** The last call. */
  closed(end: AppSocketEnd): void
}

/**
 * One open connection to a daemon that carries whole binary messages in order: a WebSocket in `ws-socket.ts`, or one end
 * of a pair in memory where app and daemon run in one process.
 */
export interface AppSocket {
  /** Bytes handed to `send` that have not left this process. */
  readonly bufferedBytes: number
  /** Gives the socket its reader; what came before is kept and handed over in a later turn. */
  read(reader: AppSocketReader): void
  /** Takes ownership of `data`. On a socket that is over it does nothing. */
  send(data: Uint8Array): void
  /** Ends the connection; `closed` follows. Safe to call more than once. */
  close(code?: number, reason?: string): void
}

/**
 * Connects to the daemon at `path`.
 *
 * Rejects with any error when nothing usable answers there, and with the signal's reason once that is aborted.
 */
export type OpenSocket = (path: string, signal: AbortSignal) => Promise<AppSocket>
