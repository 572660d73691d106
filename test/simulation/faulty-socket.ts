import type { AppSocket, AppSocketReader } from '@parley/client-sdk'
import { decodeMessage } from '../../daemon/src/ipc/codec.ts'

interface Call {
  readonly id: number
  readonly method: string
}

/** An app's connection that loses the answer to a call and dies with it, where it is told to. */
export class FaultySocket implements AppSocket {
  readonly #inner: AppSocket
  readonly #onLost: () => void
  #method: string | undefined
  #awaited: number | undefined

  constructor(inner: AppSocket, onLost: () => void) {
    this.#inner = inner
    this.#onLost = onLost
  }

  /** The answer to the next call of `method` never arrives. */
  loseAnswerTo(method: string): void {
    this.#method = method
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes
  }

  read(reader: AppSocketReader): void {
    this.#inner.read({
      message: data => {
        if (this.#awaited !== undefined && readCall(data).id === this.#awaited) {
          this.#awaited = undefined
          this.#onLost()
          this.#inner.close(1006, 'lost')
          return
        }
        reader.message(data)
      },
      closed: end => reader.closed(end)
    })
  }

  send(data: Uint8Array): void {
    if (this.#method !== undefined) {
      const call = readCall(data)
      if (call.method === this.#method) {
        this.#method = undefined
        this.#awaited = call.id
      }
    }
    this.#inner.send(data)
  }

  close(code?: number, reason?: string): void {
    this.#inner.close(code, reason)
  }
}

function readCall(data: Uint8Array): Call {
  return decodeMessage('cbor', data) as Call
}
