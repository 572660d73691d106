import type { MessageFilter, MethodName, Params, Result } from '@parley/client-sdk/contract'
import { z } from 'zod'
import type { Clock } from '../actor/clock.ts'
import type { ContactFilter } from '../delivery/inbox/filter.ts'
import type { Inbox } from '../delivery/inbox/inbox.ts'
import type { OutboxApi } from '../delivery/outbox-api.ts'
import type { Requests } from '../delivery/requests/requests.ts'
import type { TransferApp, TransfersApi } from '../delivery/transfers/api.ts'
import { DaemonError } from '../errors.ts'
import type { AuditApi } from '../observe/audit/audit.ts'
import type { Events } from '../observe/events.ts'
import type { CompareApi } from '../peer/compare/api.ts'
import type { PairingApi } from '../peer/pairing/pairing.ts'
import type { RandomBytes } from '../random.ts'
import type { VaultRuns } from '../vault/runs.ts'
import type { Vault } from '../vault/vault.ts'
import type { IpcLimits } from './limits.ts'
import type { IdentityApi, KeysApi, NodeApi, PeersApi } from './node-api.ts'
import type { ClientClaims } from './numbered-sends.ts'
import type { Session } from './session.ts'

/** What a caller may do; each includes the ones before. */
export type Access = 'read' | 'send' | 'admin'

/** Who calls. */
export interface Caller {
  /** Whose consumers are its own. */
  readonly owner: string
  /** What it calls itself, for others to read. */
  readonly name: string
  readonly access: Access
}

/** What the methods work on. */
export interface MethodDeps {
  readonly clock: Clock
  readonly peers: PeersApi
  readonly identity: IdentityApi
  readonly keys: KeysApi
  readonly node: NodeApi
  readonly inbox: Inbox
  readonly outbox: OutboxApi
  readonly requests: Requests
  readonly pairing: PairingApi
  readonly comparisons: CompareApi
  readonly transfers: TransfersApi
  readonly vault: Vault
  readonly vaultRuns: VaultRuns
  readonly audit: AuditApi
  readonly events: Events
  readonly limits: IpcLimits
  readonly version: string
  readonly bootId: string
  readonly randomBytes: RandomBytes
  readonly claims: ClientClaims
  /** Aborts when the daemon begins to stop. */
  readonly stopping: AbortSignal
}

/** One call in hand. */
export interface Call {
  readonly caller: Caller
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal
  /** The connection's subscriptions; undefined for a POST, which can have none. */
  readonly session: Session | undefined
  readonly deps: MethodDeps
}

type ShapeOf<M extends MethodName> = {
  readonly [K in keyof Params<M>]-?: object extends Pick<Params<M>, K>
    ? z.ZodExactOptional<z.ZodType<Exclude<Params<M>[K], undefined>>>
    : z.ZodType<Params<M>[K]>
}

export interface MethodDefinition<M extends MethodName> {
  readonly access: Access
  /** One schema for each parameter of the contract: the compiler asks for all of them and for their types. */
  readonly params: string extends keyof Params<M> ? Readonly<Record<string, never>> : ShapeOf<M>
  /** Parameters that are lists of bytes: base64 texts in JSON. */
  readonly byteLists?: readonly (keyof Params<M> & string)[]
  /** Parameters that are bytes. */
  readonly bytes?: readonly (keyof Params<M> & string)[]
  run(params: Params<M>, call: Call): Result<M> | Promise<Result<M>>
}

/** A method of the socket, ready to be called with what came over it. */
export interface Method {
  readonly name: MethodName
  readonly access: Access
  readonly byteLists: readonly string[]
  readonly bytes: readonly string[]
  /** @throws {DaemonError} `INVALID_PARAMS`, and what the method throws. Starts its work on the caller's stack. */
  call(params: Readonly<Record<string, unknown>>, call: Call): object | Promise<object>
}

/** Makes a method of its definition. */
export function defineMethod<M extends MethodName>(name: M, definition: MethodDefinition<M>): Method {
  const schema = z.strictObject(definition.params as z.core.$ZodLooseShape)
  return {
    name,
    access: definition.access,
    byteLists: definition.byteLists ?? [],
    bytes: definition.bytes ?? [],
    call(params, call) {
      const parsed = schema.safeParse(params)
      if (!parsed.success) throw new DaemonError('INVALID_PARAMS', describe(parsed.error))
      return definition.run(parsed.data as Params<M>, call)
    }
  }
}

/** Names the first parameter that is wrong and says how; never what it held. */
function describe(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'the parameters are wrong'
  if (issue.code === 'unrecognized_keys') return `unknown parameter: ${[...issue.path, issue.keys[0]].join('.')}`
  return `${issue.path.join('.') || 'params'}: ${issue.message}`
}

/** The session of a call. @throws {DaemonError} `NOT_SUPPORTED` over POST, which cannot push */
export function sessionOf(call: Call): Session {
  if (call.session !== undefined) return call.session
  throw new DaemonError('NOT_SUPPORTED', 'subscriptions need a WebSocket; fetch instead')
}

/** The program behind a call that moves a file. @throws {DaemonError} `NOT_SUPPORTED` over POST: a file needs to know when its program leaves */
export function transferApp(call: Call): TransferApp {
  return { key: sessionOf(call), signal: call.signal }
}

/** @throws {DaemonError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` */
export function contactFilter(filter: MessageFilter | undefined, peers: PeersApi): ContactFilter {
  return {
    contacts: filter?.peers === undefined ? null : new Set(filter.peers.map(peer => peers.resolve(peer))),
    channels: filter?.channels === undefined ? null : new Set(filter.channels)
  }
}
