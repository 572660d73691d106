import type { ErrorCode } from '@parley/client-sdk/contract'
import { DaemonError, type DaemonErrorOptions } from '../../errors.ts'
import { cleanText } from '../../identity/names.ts'
import type { Refusal } from './api.ts'

export const REQUEST_ID_BYTES = 16
/** Of a refusal's text, as of every text that a peer is shown. */
export const REFUSAL_TEXT_LENGTH_MAX = 200

/** What a `reject` of a request says. `REFUSED` may be followed by `/` and the app's own code. */
export type RejectCode = 'NO_RESPONDER' | 'RESPONDER_GONE' | 'BUSY' | 'REFUSED'

const REFUSED = /^REFUSED\/([A-Z][A-Z0-9_]{0,63})$/
export const REFUSAL_CODE = /^[A-Z][A-Z0-9_]{0,63}$/

export type Executed = 'no' | 'unknown'

/** An error that says whether the request may have been executed. */
export function requestError(
  code: ErrorCode,
  message: string,
  executed: Executed,
  data: DaemonErrorOptions['data'] = {}
): DaemonError {
  return new DaemonError(code, message, { data: { ...data, executed } })
}

/** The code and text in which a refusal of an app travels. */
export function encodeRefusal({ code, text }: Refusal): { readonly code: string; readonly text: string } {
  return { code: code === undefined ? 'REFUSED' : `REFUSED/${code}`, text: shown(text) }
}

/** What the asker is told of a `reject`. A code that is not known here is some newer refusal. */
export function errorOfReject(code: string, text: string, peer: string, name: string): DaemonError {
  switch (code) {
    case 'NO_RESPONDER':
      return requestError('NO_RESPONDER', `no program of ${peer} answers ${name}`, 'no')
    case 'RESPONDER_GONE':
      return requestError('RESPONDER_GONE', `the program of ${peer} that had the request ended`, 'unknown')
    case 'BUSY':
      return requestError('QUEUE_FULL', `${peer} has too many requests in hand`, 'no', { scope: 'peer', freeBytes: 0 })
    default: {
      const refusal = REFUSED.exec(code)?.[1]
      const data = refusal === undefined ? {} : { refusal }
      return requestError('REQUEST_REFUSED', shown(text) || `${peer} refused the request`, 'unknown', data)
    }
  }
}

/** 200 characters at most, and cleaned: a character is one to four bytes of UTF-8. */
function shown(text: string): string {
  const cleaned = cleanText(text.slice(0, 2 * REFUSAL_TEXT_LENGTH_MAX).toWellFormed(), 4 * REFUSAL_TEXT_LENGTH_MAX)
  return [...cleaned].slice(0, REFUSAL_TEXT_LENGTH_MAX).join('')
}

/** `bytes` in memory of their own where they would keep much more of a frame alive. */
export function compact(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length + 128 ? bytes.slice() : bytes
}

export function idText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex')
}
