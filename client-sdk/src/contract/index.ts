export type { AuditPage, AuditProblem, AuditRecordInfo, AuditVerdict } from './audit.ts'
export { ERRORS, type ErrorCode, type ErrorData, type ErrorInfo, JSON_RPC_NUMBERS, JSON_RPC_OTHER } from './errors.ts'
export type { EventBody, EventKind, NodeEvent } from './events.ts'
export type { MethodName, Methods, NotificationName, Notifications, Params, Result } from './methods.ts'
export type {
  AcceptedSend,
  ConsumerInfo,
  From,
  Health,
  HealthComponent,
  IdentityInfo,
  IdRange,
  InboxInfo,
  Limits,
  MessageFilter,
  MessageRun,
  MessageState,
  MessageStateRange,
  MessageStates,
  NodeStatus,
  PeerInfo,
  PeerSessionInfo,
  QueueInfo,
  RefusedInfo,
  SessionState,
  TransferInfo,
  TransferState,
  Trust,
  Why
  StoreKeysInfo,
} from './types.ts'
export type { VaultOperation, VaultPeer, VaultResult } from './vault.ts'
export { API_MAJOR, API_MINOR, RPC_PATH, SOCKET_HOST, SUBPROTOCOL_CBOR, SUBPROTOCOL_JSON } from './version.ts'
