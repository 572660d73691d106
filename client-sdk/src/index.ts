export type { AuditLog } from './audit.ts'
export type { Client, CloseOptions, Fetched, FetchOptions, MessagesOptions, ReadOptions } from './client.ts'
export type { Clock, Timer } from './clock.ts'
export type { CompareAnswerOptions, CompareOptions, ComparisonStream, IncomingComparison } from './compare.ts'
export { type ConnectOptions, connect } from './connect.ts'
export type { Consumers } from './consumers.ts'
export * from './contract/index.ts'
export { ParleyError, type ParleyErrorCode, type ParleyErrorOptions } from './errors.ts'
export type { EventGap, EventStream, EventsOptions } from './event-stream.ts'
export { type FindSocketOptions, socketPaths } from './find-socket.ts'
export type { Message } from './message.ts'
export type { MessageStream } from './message-stream.ts'
export type { MessageGoal } from './message-tracker.ts'
export type {
  JoinOptions,
  OpenInvitation,
  Pairing,
  PairingOptions,
  PairingProgress,
  PairingRun,
  VerifiedPeer
} from './pairing.ts'
export type { CallOptions, Peers } from './peers.ts'
export type { Receipt, RunReceipt, WaitOptions } from './receipt.ts'
export {
  type IncomingRequest,
  Refusal,
  type RequestHandler,
  type RequestOptions,
  type RequestServer,
  type ServeOptions
} from './requests.ts'
export type { SendOptions } from './send-options.ts'
export type { AppSocket, AppSocketEnd, AppSocketReader, OpenSocket } from './socket.ts'
export { CHUNK_BYTES } from './transfer-hash.ts'
export type { ReceivedFile, ReceiveFileOptions, TransferSink } from './transfer-receive.ts'
export type { SendFileOptions, SentFile, TransferSource } from './transfer-send.ts'
export { type IncomingFile, type ListTransfersOptions, newTransferId, type Transfers } from './transfers.ts'
export type { SealOptions, Vault, VaultInput, VaultMessage } from './vault.ts'
export { SDK_VERSION } from './version.ts'
