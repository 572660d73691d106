import { createHash } from 'node:crypto'
import type { AcceptedSend, IdRange } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import { lengthPrefixed, sameBytes, textBytes, u64Bytes } from '../../identity/fields.ts'
import type { AcceptRequest, SendKey } from '../outbox-api.ts'
import type { Book } from './book.ts'
import {
  CLIENT,
  type ClientRecord,
  clientKey,
  IDEMPOTENCY,
  type IdempotencyRecord,
  idempotencyKey,
  putRecord
} from './records.ts'

/** Numbered sends of one client that are remembered; it calls them answered long before there are so many. */
const ACCEPTED_COUNT_MAX = 4_096

/** A send that was accepted before, or is being put on the disk. */
export interface KnownSend {
  readonly ids: readonly IdRange[]
  /** Elapsed time. */
  readonly expiresMs: number
  /** While it is not on the disk. */
  pending: Promise<void> | undefined
}

interface Client {
  readonly name: string
  answeredThrough: number
  usedMs: number
  readonly accepted: Map<number, KnownSend>
}

interface Key {
  readonly hidden: Uint8Array
  readonly hash: Uint8Array
  readonly send: KnownSend
  usedMs: number
}

/** Remembers which calls were accepted, so that none is accepted twice. What is oldest in use is forgotten. */
export class SendKeys {
  readonly #book: Book
  /** By name and by hidden name; the oldest in use first. */
  readonly #clients = new Map<string, Client>()
  readonly #keys = new Map<string, Key>()

  constructor(book: Book) {
    this.#book = book
  }

  /**
   * What the same call was answered, or will be.
   *
   * @throws {DaemonError} `IDEMPOTENCY_CONFLICT`; `INVALID_PARAMS` for a number whose answer its client has
   */
  find(key: SendKey, request: AcceptRequest): KnownSend | undefined {
    if ('client' in key) {
      const client = this.#clients.get(key.client)
      const send = client?.accepted.get(key.number)
      if (send === undefined && client !== undefined && key.number <= client.answeredThrough)
        throw new DaemonError('INVALID_PARAMS', 'number: that send was answered')
      return send
    }
    const known = this.#keys.get(hexOfHidden(this.#hiddenOf(key)))
    if (known === undefined) return undefined
    if (!sameBytes(known.hash, hashOf(request)))
      throw new DaemonError('IDEMPOTENCY_CONFLICT', 'that idempotency key was used for another call')
    return known.send
  }

  /** Remembers a send, in the batch that is being gathered. */
  add(key: SendKey, request: AcceptRequest, send: KnownSend): void {
    if ('client' in key) this.#addNumbered(key, send)
    else {
      const hidden = this.#hiddenOf(key)
      const added = { hidden, hash: hashOf(request), send, usedMs: this.#book.nowMs() }
      this.#keys.set(hexOfHidden(hidden), added)
      this.#writeKey(added)
    }
    const { clientCountMax } = this.#book.deps.options
    while (this.#clients.size + this.#keys.size > clientCountMax) this.#forgetOldest()
  }

  /** Sends of a client that it has not called answered; what is under way is waited for. */
  async acceptedOf(name: string): Promise<readonly AcceptedSend[]> {
    const client = this.#clients.get(name)
    if (client === undefined) return []
    await Promise.all([...client.accepted.values()].map(({ pending }) => pending))
    return [...client.accepted].map(([number, { ids }]) => ({ number, ids })).sort((a, b) => a.number - b.number)
  }

  /** Forgets what was not used for long. */
  forgetUnused(): void {
    // Where the clock is in doubt a day may be none, and what is forgotten may be accepted twice.
    if (this.#book.nowMs() < this.#book.elapsed.holdUntilMs) return
    const { clientKeptMs } = this.#book.deps.options
    const before = this.#book.nowMs() - clientKeptMs
    const isOld = () =>
      (oldest(this.#clients)?.usedMs ?? before) < before || (oldest(this.#keys)?.usedMs ?? before) < before
    while (isOld()) this.#forgetOldest()
  }

  restoreClient({ client, answeredThrough, usedMs, accepted }: ClientRecord): void {
    const sends = accepted.map(
      ({ number, ids, expiresMs }) => [number, { ids, expiresMs, pending: undefined }] as const
    )
    this.#clients.set(client, { name: client, answeredThrough, usedMs, accepted: new Map(sends) })
  }

  restoreKey(hidden: Uint8Array, { hash, ids, expiresMs, usedMs }: IdempotencyRecord): void {
    this.#keys.set(hexOfHidden(hidden), { hidden, hash, send: { ids, expiresMs, pending: undefined }, usedMs })
  }

  /** To be called once everything was restored. */
  sortByUse(): void {
    for (const map of [this.#clients, this.#keys] as Map<string, { usedMs: number }>[]) {
      const sorted = [...map].sort(([, a], [, b]) => a.usedMs - b.usedMs)
      map.clear()
      for (const [name, value] of sorted) map.set(name, value)
    }
  }

  #addNumbered(key: Extract<SendKey, { client: string }>, send: KnownSend): void {
    const name = key.client
    const client = this.#clients.get(name) ?? { name, answeredThrough: 0, usedMs: 0, accepted: new Map() }
    client.usedMs = this.#book.nowMs()
    client.answeredThrough = Math.max(client.answeredThrough, key.answeredThrough)
    client.accepted.set(key.number, send)
    for (const number of client.accepted.keys()) {
      if (number <= client.answeredThrough || client.accepted.size > ACCEPTED_COUNT_MAX) client.accepted.delete(number)
      else break
    }
    this.#clients.delete(name)
    this.#clients.set(name, client)
    this.#writeClient(client)
  }

  #writeClient(client: Client): void {
    const { commit, deps } = this.#book
    commit.write(client, () => {
      const { name, answeredThrough, usedMs } = client
      const accepted = [...client.accepted].map(([number, { ids, expiresMs }]) => ({
        number,
        ids: [...ids],
        expiresMs
      }))
      return putRecord(deps.sealer, CLIENT, this.#clientKey(name), { client: name, answeredThrough, usedMs, accepted })
    })
  }

  #writeKey(key: Key): void {
    const { commit, deps } = this.#book
    commit.write(key, () => {
      const { hidden, hash, usedMs } = key
      const { ids, expiresMs } = key.send
      return putRecord(deps.sealer, IDEMPOTENCY, idempotencyKey(hidden), { hash, ids: [...ids], expiresMs, usedMs })
    })
  }

  #forgetOldest(): void {
    const client = oldest(this.#clients)
    const key = oldest(this.#keys)
    if (client !== undefined && (key === undefined || client.usedMs <= key.usedMs)) {
      this.#clients.delete(client.name)
      this.#book.delete(client, 'clients', this.#clientKey(client.name))
    } else if (key !== undefined) {
      this.#keys.delete(hexOfHidden(key.hidden))
      this.#book.delete(key, 'clients', idempotencyKey(key.hidden))
    }
    this.#book.tidy()
  }

  #clientKey(name: string): Uint8Array {
    return clientKey(this.#book.deps.sealer.hiddenName('client', name))
  }

  #hiddenOf(key: Extract<SendKey, { owner: string }>): Uint8Array {
    return this.#book.deps.sealer.hiddenName('idempotency', key.owner, key.idempotencyKey)
  }
}

function oldest<T>(map: ReadonlyMap<string, T>): T | undefined {
  return map.values().next().value
}

function hexOfHidden(hidden: Uint8Array): string {
  return Buffer.from(hidden).toString('hex')
}

/** What makes a call the same call. */
function hashOf({ contact, channel, ttlMs, bodies }: AcceptRequest): Uint8Array {
  const hash = createHash('sha256')
  for (const field of [textBytes(contact), textBytes(channel), u64Bytes(ttlMs), ...bodies])
    hash.update(lengthPrefixed(field))
  return new Uint8Array(hash.digest())
}
