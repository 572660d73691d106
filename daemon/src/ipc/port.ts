import type { Encoding } from './codec.ts'

/** Why a connection is over: a WebSocket close code, 1006 where the other side vanished. */
export interface AppConnectionEnd {
  readonly code: number
  readonly reason: string
}

/** What a connection tells its one reader, one call at a time and never from inside a call to the connection. */
export interface AppConnectionReader {
  /** One whole message, at most `requestBytesMax`; a longer one ended the connection. The reader owns `data`. */
  message(data: Uint8Array): void
  /** `bufferedBytes` is below `LOW_BUFFERED_BYTES` again, after it was above. */
  drained(): void
  /** The last call. */
  closed(end: AppConnectionEnd): void
}

/** When a reader is told that the buffer has room again: below the least `limits.pushBytesMax`, so that what waits for room always hears of it. */
export const LOW_BUFFERED_BYTES = 256 * 1024

/** One app's connection: whole messages, in order, both ways. */
export interface AppConnection {
  readonly encoding: Encoding
  /** Bytes given to `send` that the app has not taken. */
  readonly bufferedBytes: number
  /** Gives the connection its reader. Nothing is read before. */
  read(reader: AppConnectionReader): void
  /** Takes ownership of `data`. On a connection that is over it does nothing. */
  send(data: Uint8Array): void
  /** Says goodbye; `closed` follows, whatever the app does. */
  close(code: number, reason: string): void
}

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
}

/** What stands behind the socket. */
export interface AppHandlers {
  connected(connection: AppConnection): void
  /** One call by POST. `signal` aborts when the caller is gone. Never rejects. */
  post(encoding: Encoding, body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer>
  /** A page for operators. Never rejects. */
  page(path: PagePath): Promise<HttpAnswer>
}

export type PagePath = '/livez' | '/readyz' | '/metrics'

/** Where the apps of this host connect. */
export interface AppServer {
  /** The path of the socket. */
  readonly address: string
  /**
   * Opens the socket: connections come from now on.
   *
   * @throws {DaemonError} `SOCKET_PATH_TOO_LONG` `SOCKET_FAILED` `ALREADY_RUNNING`
   */
  listen(handlers: AppHandlers): Promise<void>
  /** Closes the socket, removes it, and ends what is still connected. */
  stop(): Promise<void>
}
