import type { AuditPage, AuditVerdict } from './audit.ts'
import type { NodeEvent } from './events.ts'
import type {
  AcceptedSend,
  ComparePurpose,
  CompareResult,
  ConsumerInfo,
  From,
  Health,
  IdentityInfo,
  IdRange,
  Limits,
  MessageFilter,
  MessageRun,
  MessageStates,
  NodeStatus,
  PeerInfo,
  StoreKeysInfo,
  TransferInfo,
  Why
} from './types.ts'

import type { VaultOperation, VaultPeer, VaultResult } from './vault.ts'

type Empty = Readonly<Record<string, never>>

/**
 * Every method of the socket: its parameters and its result. In JSON, bytes are base64 text; in CBOR, byte strings.
 * `peer` is a local name, an ID, a contact ID, or a unique prefix of one.
 */
export interface Methods {
  /** First on a WebSocket. `clientId` is that of an earlier connection of the same program, to go on as the same client. */
  'node.hello': {
    params: {
      readonly client: { readonly name: string; readonly version: string }
      readonly apiMajor: number
      readonly apiMinor: number
      /** Features without which this client cannot work. */
      readonly requires?: readonly string[]
      readonly clientId?: string
    }
    result: {
      readonly clientId: string
      readonly id: string
      readonly version: string
      readonly apiMajor: number
      readonly apiMinor: number
      readonly features: readonly string[]
      readonly limits: Limits
      /** New at each start of the daemon. */
      readonly bootId: string
      /** Names the inbox whose indexes `from: {after}` means; a new one starts again at 1. */
      readonly inbox: string
      /**
       * Numbered sends of this client that were accepted and that it has not called answered: those need not be sent again, and no other was accepted. Null while the
       * store cannot be read: what is sent again under its number is accepted once all the same.
       */
      readonly accepted: readonly AcceptedSend[] | null
    }
  }
  'node.status': { params: Empty; result: NodeStatus }
  'node.health': { params: Empty; result: Health }
  'node.shutdown': { params: Empty; result: Empty }
  /** Why a message (by its ID) or a peer is as it is, and what to do. */
  'node.why': { params: { readonly subject: string }; result: Why }

  'identity.show': { params: Empty; result: IdentityInfo }
  'identity.card': { params: Empty; result: { readonly card: string } }

  /** The keys of the store, and how far a rotation is. */
  'keys.show': { params: Empty; result: StoreKeysInfo }
  /** Begins to replace the key of the store, or joins what was begun; resolves once the new key is on disk. */
  'keys.rotate-store': { params: Empty; result: StoreKeysInfo }

  /** Gives this daemon another Themis key. Contacts follow by themselves; resolves once the key is on disk. */
  'identity.rotate': { params: Empty; result: IdentityInfo }

  'peers.list': { params: Empty; result: { readonly peers: readonly PeerInfo[] } }
  'peers.get': { params: { readonly peer: string }; result: PeerInfo }
  /** A newer card of a contact updates it; `added` tells which it was. */
  'peers.add': {
    params: { readonly card: string; readonly name?: string }
    result: { readonly peer: PeerInfo; readonly added: boolean }
  }
  /** Sets the local override of the contact's addresses; null goes back to those of its card. */
  'peers.update': { params: { readonly peer: string; readonly addresses: readonly string[] | null }; result: PeerInfo }
  'peers.remove': { params: { readonly peer: string }; result: Empty }
  'peers.rename': { params: { readonly peer: string; readonly name: string }; result: PeerInfo }
  'peers.block': { params: { readonly peer: string; readonly blocked?: boolean }; result: PeerInfo }
  /**
   * Takes a contact as verified because the owner says so, or takes that back. With `fingerprint` only while the contact has that key:
   * `KEY_NOT_OFFERED` otherwise. `UNTRUSTED` for one whose key is to be decided on, or whose pairing is not confirmed.
   */
  'peers.trust': {
    params: { readonly peer: string; readonly trust: 'known' | 'verified'; readonly fingerprint?: string }
    result: PeerInfo
  }
  /**
   * Decides on the key of a contact that is `changed`: `fingerprint` is that of the key it showed, or of the one that is held, which then stays.
   * `queue` says what becomes of messages that were accepted for keys which no succession leads on from: they wait until it does. `held` is how many
   * still wait. `KEY_NOT_OFFERED`.
   */
  'peers.accept-key': {
    params: { readonly peer: string; readonly fingerprint?: string; readonly queue?: 'send' | 'cancel' }
    result: { readonly peer: PeerInfo; readonly held: number }
  }

  /**
   * Sends consecutive messages to one channel of one contact; whole or not at all where durable.
   *
   * Durable (unless said): resolves when the run is on this daemon's disk. `number` counts the sends of a client, on a WebSocket: the same number
   * is accepted once, whatever connection brings it; its client is the connection that said hello as it last. `previous` is the number that must not have been refused
   * before on this connection, so that order holds when a queue is full; `answeredThrough` lets the daemon forget. Over POST `idempotencyKey` does the same for a day.
   *
   * Not durable: resolves when the whole run is on the stream. When it fails, the error's data has `sent`, how many of
   * the messages were on the stream before, and their `ids`; the others never leave.
   */
  'messages.send': {
    params: {
      readonly peer: string
      readonly channel?: string
      readonly bodies: readonly Uint8Array[]
      readonly durable?: boolean
      /** Of a send that is not durable: how long to wait for the peer's app, 10,000 unless said. */
      readonly timeoutMs?: number
      /** Of a durable one: how long it may wait for the peer's daemon, 7 days unless said. */
      readonly ttlMs?: number
      readonly number?: number
      readonly previous?: number
      readonly answeredThrough?: number
      readonly idempotencyKey?: string
    }
    result: {
      readonly ids: readonly IdRange[] /** Of a durable one, Unix milliseconds. */
      readonly expiresAt?: number
    }
  }
  /** How far `count` messages (1 unless said) from `id` on have come. `NO_SUCH_MESSAGE` for what is not known any more. */
  'messages.get': { params: { readonly id: string; readonly count?: number }; result: MessageStates }
  /** Takes messages back that no session has taken: all of them, or none with `ALREADY_SENT`. */
  'messages.cancel': { params: { readonly id: string; readonly count?: number }; result: Empty }
  /** `consumer: null` is a look: no cursor, no ack. `credit` is what may be pushed before `messages.credit` adds more. */
  'messages.subscribe': {
    params: {
      readonly consumer: string | null
      readonly filter?: MessageFilter
      readonly from?: From
      readonly takeover?: boolean
      readonly credit: { readonly messages: number; readonly bytes: number }
    }
    result: { readonly subscription: string; readonly next: number }
  }
  'messages.unsubscribe': { params: { readonly subscription: string }; result: Empty }
  /** Adds to what may be pushed. */
  'messages.credit': {
    params: { readonly subscription: string; readonly messages: number; readonly bytes: number }
    result: Empty
  }
  /** Acknowledges everything up to and including `index` for a consumer. */
  'messages.ack': { params: { readonly consumer: string; readonly index: number }; result: Empty }
  /** Acknowledges everything before `index`, and refuses the message there: its sender is told `rejected` with the reason (at most 200 characters). */
  'messages.reject': {
    params: { readonly consumer: string; readonly index: number; readonly reason: string }
    result: Empty
  }
  /** Pulls runs; waits up to `waitMs` for the first. With a consumer, what was fetched is not given again unless it is fetched anew from the cursor. */
  'messages.fetch': {
    params: {
      readonly consumer: string | null
      readonly filter?: MessageFilter
      readonly from?: From
      readonly max?: number
      readonly waitMs?: number
    }
    result: { readonly runs: readonly MessageRun[]; readonly next: number }
  }

  'consumers.list': { params: Empty; result: { readonly consumers: readonly ConsumerInfo[] } }
  'consumers.get': { params: { readonly consumer: string }; result: ConsumerInfo }
  /** Moves the cursor. Its reader, if there is one, goes on from there. What is passed over forwards is not handled by it. */
  'consumers.seek': { params: { readonly consumer: string; readonly to: From }; result: ConsumerInfo }
  /** Forgets a consumer; `CONSUMER_BUSY` while something reads as it. */
  'consumers.remove': { params: { readonly consumer: string }; result: Empty }

  /**
   * Asks the program of a contact that serves `name`, and resolves with its answer. At most once, never kept. Every error has
   * `executed`: `no` where that program never saw the request, else `unknown`. `id` is for `requests.cancel`.
   */
  'requests.send': {
    params: {
      readonly peer: string
      readonly name: string
      readonly body: Uint8Array
      /** 10,000 unless said, an hour at most. */
      readonly timeoutMs?: number
      readonly id?: string
    }
    result: { readonly body: Uint8Array }
  }
  /** Gives a request up: its call fails with `STOPPED`, and an answer that comes is dropped. */
  'requests.cancel': { params: { readonly id: string }; result: Empty }
  /** Answers requests of a name from now on. One program at a time does: `RESPONDER_BUSY`, unless it takes over. */
  'requests.serve': {
    params: { readonly name: string; readonly takeover?: boolean }
    result: { readonly subscription: string }
  }
  'requests.unserve': { params: { readonly subscription: string }; result: Empty }
  /** With `body` the answer; with `error` a refusal. Exactly one of the two. */
  'requests.respond': {
    params: {
      readonly subscription: string
      readonly request: string
      readonly body?: Uint8Array
      readonly error?: {
        /** Upper-case letters, digits and `_`, at most 64. */
        readonly code?: string
        /** At most 200 characters of it are sent. */
        readonly text: string
      }
    }
    result: Empty
  }

  /**
   * Finds out with a contact whether both hold the same secret, and lets neither learn anything else of it. Resolves at the end. `id` is for
   * `compare.cancel`. `COMPARE_WAITING {compare, question, purpose}` where the contact has started one, or starts one at the same time that stands: answer that.
   */
  'compare.start': {
    params: {
      readonly peer: string
      /** 1 to 4,096 bytes. */
      readonly secret: Uint8Array
      /** Shown to whoever answers; at most 200 characters. */
      readonly question?: string
      /** `verify` needs the access `admin`. */
      readonly purpose?: ComparePurpose
      /** How long the other side may take to answer, 5 minutes unless said, an hour at most. */
      readonly timeoutMs?: number
      readonly id?: string
    }
    result: CompareResult
  }
  /** Gives the secret for a comparison that waits; resolves at its end. */
  'compare.answer': {
    params: {
      readonly compare: string
      readonly secret: Uint8Array
      readonly purpose?: ComparePurpose
      readonly id?: string
    }
    result: CompareResult
  }
  /** Ends the comparison with a contact, or declines the one that waits. With `id`, only if that names the call which started or answered it. */
  'compare.cancel': { params: { readonly peer: string; readonly id?: string }; result: Empty }

  /**
   * Offers a file to a contact, or goes on with one: the same ID, name and size again is the same file, also after a restart. While the program that
   * offered it is connected, the daemon reaches for the peer. WebSocket only, as are `accept`, `write`, `read` and `finish`.
   */
  'transfers.offer': {
    params: { readonly peer: string; readonly name: string; readonly size: number; readonly transfer?: string }
    result: TransferInfo
  }
  /**
   * Takes a file that is offered, from `position` on: a multiple of 262,144, or the size. Again by the same program: it begins anew there. `TRANSFER_BUSY` while
   * another program has it, unless `takeover`.
   */
  'transfers.accept': {
    params: { readonly transfer: string; readonly position: number; readonly takeover?: boolean }
    result: TransferInfo
  }
  /**
   * Sends chunks from `position` on, each with its SHA-256; resolves when there was room for all. Chunks have 262,144 bytes, the last one of the file what is
   * left. With no chunks it resolves once the receiver has accepted. `TRANSFER_POSITION {position}` where the receiver goes on elsewhere.
   */
  'transfers.write': {
    params: {
      readonly transfer: string
      readonly position: number
      readonly chunks: readonly Uint8Array[]
      readonly hashes: readonly Uint8Array[]
    }
    /** Where the next chunk starts, and what the receiving program has synced. */
    result: { readonly position: number; readonly synced: number }
  }
  /**
   * Pulls what has come, at most 1 MiB, and says what the program has synced; waits up to `waitMs` for the first chunk. `sha256` is the sender's hash of the whole
   * file, in hexadecimal, once everything was given.
   */
  'transfers.read': {
    params: { readonly transfer: string; readonly synced: number; readonly waitMs?: number }
    result: {
      readonly position: number
      readonly chunks: readonly Uint8Array[]
      readonly hashes: readonly Uint8Array[]
      readonly sha256: string | null
    }
  }
  /**
   * Ends a file. The sender says the hash of the whole, and hears when the receiving program has it. The receiver says the hash that it computed, after its file is
   * in place, and hears whether the sender knows: `confirmed` is false where it did not within `waitMs`.
   */
  'transfers.finish': {
    params: { readonly transfer: string; readonly sha256: string; readonly waitMs?: number }
    result: { readonly confirmed: boolean }
  }
  /** The program leaves a file, which waits until it is offered or accepted again; so does the end of its connection. */
  'transfers.pause': { params: { readonly transfer: string }; result: Empty }
  /** Refuses a file or ends it for good; the other side's program is told the code and the reason (at most 200 characters). */
  'transfers.cancel': {
    params: { readonly transfer: string; readonly code?: string; readonly reason?: string }
    result: Empty
  }
  /** All files that are not over. With the `revision` of an earlier answer as `after` it waits up to `waitMs` for something to change but positions. */
  'transfers.list': {
    params: { readonly after?: string; readonly waitMs?: number }
    result: { readonly transfers: readonly TransferInfo[]; readonly revision: string }
  }

  /**
   * Opens an invitation for ten minutes. Events `pairing.state` tell how it goes. `renew` is a contact whose keys and card give way to those of the other side.
   */
  'pairing.invite': {
    params: { readonly name?: string; readonly renew?: string }
    result: { readonly pairing: string; readonly code: string; readonly link: string; readonly expiresAt: number }
  }
  /** Begins to join an invitation, by its link, or by its code and where its daemon listens: a multiaddr, with `/p2p/` or without. */
  'pairing.accept': {
    params: {
      readonly link?: string
      readonly code?: string
      readonly at?: string
      readonly name?: string
      readonly renew?: string
    }
    result: { readonly pairing: string }
  }
  /** Ends an invitation, or a pairing under way. What is verified stays. */
  'pairing.cancel': { params: { readonly pairing: string }; result: Empty }

  /**
   * Uses the daemon's keys. `seal` and `open` are a Secure Cell (Seal) by the vault's own key, bound to the owner of the connection and to
   * `context`; the others are Secure Messages. `content` and the output are whole, within one message of the socket; for more there is `vault.begin`.
   */
  'vault.seal': { params: { readonly content: Uint8Array; readonly context?: Uint8Array }; result: VaultResult }
  'vault.open': { params: { readonly content: Uint8Array; readonly context?: Uint8Array }; result: VaultResult }
  /** Signs by the identity key. `RESERVED_CONTENT` for what starts like the daemon's own statements. */
  'vault.sign': { params: { readonly content: Uint8Array }; result: VaultResult }
  /** Checks that a contact signed a message, and gives what it says. */
  'vault.verify': { params: { readonly peer: string; readonly content: Uint8Array }; result: VaultResult }
  'vault.encrypt': { params: { readonly peer: string; readonly content: Uint8Array }; result: VaultResult }
  /** Decrypts what a contact encrypted, for the identity's key or a former one. */
  'vault.decrypt': { params: { readonly peer: string; readonly content: Uint8Array }; result: VaultResult }
  /** Begins a use of the vault for more than fits a message. One at a time for a connection, whose end ends it. WebSocket only, as are the next four. */
  'vault.begin': {
    params: { readonly operation: VaultOperation; readonly peer?: string; readonly context?: Uint8Array }
    result: { readonly run: string }
  }
  /** Gives the next part. `TOO_LARGE {bytesMax}` ends the run; after `VAULT_BUSY` the same part can be given again. */
  'vault.write': { params: { readonly run: string; readonly part: Uint8Array }; result: Empty }
  /** Does it, once all was given; an error ends the run. */
  'vault.finish': {
    params: { readonly run: string }
    result: { readonly size: number; readonly peer: VaultPeer | null }
  }
  /** The next part of the output, at most 1 MiB. The last one ends the run. */
  'vault.read': { params: { readonly run: string }; result: { readonly part: Uint8Array; readonly last: boolean } }
  'vault.cancel': { params: { readonly run: string }; result: Empty }

  /** Entries of the audit log after an index, oldest first, 256 at most. */
  'audit.list': { params: { readonly after?: number; readonly max?: number }; result: AuditPage }
  /** Looks through the whole log, and names the first entry that is not as it was written. */
  'audit.verify': { params: Empty; result: AuditVerdict }

  'events.subscribe': {
    params: { readonly after?: string | 'now' | 'start' }
    result: { readonly subscription: string; readonly cursor: string }
  }
  /** Events after a cursor; waits up to `waitMs` for the first. */
  'events.fetch': {
    params: { readonly after?: string | 'now' | 'start'; readonly max?: number; readonly waitMs?: number }
    result: { readonly events: readonly NodeEvent[]; readonly cursor: string }
  }
  'events.unsubscribe': { params: { readonly subscription: string }; result: Empty }
}

export type MethodName = keyof Methods
export type Params<M extends MethodName> = Methods[M]['params']
export type Result<M extends MethodName> = Methods[M]['result']

/** What the daemon sends unasked on a WebSocket, as JSON-RPC notifications. */
export interface Notifications {
  'messages.deliver': MessageRun & { readonly subscription: string }
  /** The subscription is over: taken over, or its consumer or the daemon is going. */
  'messages.ended': { readonly subscription: string; readonly code: string }
  /** A contact asks. Its answer is of use for `timeLeftMs` from now. */
  'requests.request': {
    readonly subscription: string
    readonly request: string
    readonly contact: string
    /** The asker's own ID; `fromName` is what the owner calls it. */
    readonly from: string
    readonly fromName: string
    readonly name: string
    readonly body: Uint8Array
    readonly timeLeftMs: number
  }
  /** Requests of the name come no more: `TAKEN_OVER`, `SHUTTING_DOWN`. */
  'requests.ended': { readonly subscription: string; readonly code: string }
  'events.event': { readonly subscription: string; readonly events: readonly NodeEvent[] }
  /** `code` is `CURSOR_GONE` when the client was too slow for the ring. */
  'events.ended': { readonly subscription: string; readonly code: string }
}

export type NotificationName = keyof Notifications
