export type { AuditPage, AuditProblem, AuditRecordInfo, AuditVerdict } from './audit.ts'
export { ERRORS, type ErrorCode, type ErrorData, type ErrorInfo, JSON_RPC_NUMBERS, JSON_RPC_OTHER } from './errors.ts'
export type { EventBody, EventKind, NodeEvent } from './events.ts'
export type { MethodName, Methods, NotificationName, Notifications, Params, Result } from './methods.ts'
export type {
  AcceptedSend,
  ComparePurpose,
  CompareResult,
  CompareVerdict,
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
  PairingState,
  PeerInfo,
  PeerSessionInfo,
  QueueInfo,
  RefusedInfo,
  SessionState,
  StoreKeysInfo,
  TransferInfo,
  TransferState,
  Trust,
  WaitingComparison,
  Why
} from './types.ts'
export type { VaultOperation, VaultPeer, VaultResult } from './vault.ts'
export { API_MAJOR, API_MINOR, RPC_PATH, SOCKET_HOST, SUBPROTOCOL_CBOR, SUBPROTOCOL_JSON } from './version.ts'
