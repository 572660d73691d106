import type { ErrorCode } from '@parley/client-sdk'

/** What a command's exit status says. */
export const EXIT = {
  ok: 0,
  usage: 1,
  internal: 2,
  unreachable: 3,
  untrusted: 4,
  limit: 5,
  timedOut: 6,
  version: 7,
  undelivered: 8,
  configuration: 9
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The exit status of every error code. A code that is not here comes from a newer daemon and ends with `internal`. */
export const EXIT_OF_ERROR: { readonly [code in ErrorCode]: ExitCode } = {
  INTERNAL: EXIT.internal,
  PARSE_ERROR: EXIT.internal,
  INVALID_REQUEST: EXIT.internal,
  METHOD_NOT_FOUND: EXIT.version,
  INVALID_PARAMS: EXIT.usage,
  HELLO_REQUIRED: EXIT.internal,
  NOT_SUPPORTED: EXIT.version,
  VERSION_MISMATCH: EXIT.version,
  TOO_MANY_CALLS: EXIT.limit,
  TOO_LARGE: EXIT.limit,
  TIMED_OUT: EXIT.timedOut,
  SHUTTING_DOWN: EXIT.unreachable,
  STOPPED: EXIT.undelivered,
  MAILBOX_FULL: EXIT.limit,
  NOT_READY: EXIT.unreachable,
  FORBIDDEN: EXIT.usage,

  DAEMON_UNREACHABLE: EXIT.unreachable,
  CLOSED: EXIT.unreachable,

  NO_SUCH_PEER: EXIT.usage,
  AMBIGUOUS_PEER: EXIT.usage,
  CONTACT_EXISTS: EXIT.usage,
  SELF: EXIT.usage,
  CARD_INVALID: EXIT.usage,
  CARD_CONFLICT: EXIT.untrusted,
  CARD_OUTDATED: EXIT.usage,
  NAME_TAKEN: EXIT.usage,
  NAME_INVALID: EXIT.usage,
  ADDRESS_INVALID: EXIT.usage,
  TOO_MANY_CONTACTS: EXIT.limit,

  CODE_INVALID: EXIT.usage,
  NO_SUCH_INVITATION: EXIT.undelivered,
  PAIRING_WRONG_CODE: EXIT.untrusted,
  PAIRING_EXHAUSTED: EXIT.untrusted,
  PAIRING_EXPIRED: EXIT.timedOut,
  PAIRING_CANCELLED: EXIT.undelivered,
  PAIRING_FAILED: EXIT.undelivered,
  PAIRING_REFUSED: EXIT.untrusted,
  PAIRING_RESTING: EXIT.limit,
  PAIRING_LIMIT: EXIT.limit,

  BLOCKED: EXIT.untrusted,
  UNTRUSTED: EXIT.untrusted,
  PEER_OFFLINE: EXIT.undelivered,
  NOT_ACCEPTED: EXIT.undelivered,
  CHANNEL_LIMIT: EXIT.limit,
  QUEUE_FULL: EXIT.limit,
  NO_SUCH_MESSAGE: EXIT.usage,
  ALREADY_SENT: EXIT.undelivered,
  IDEMPOTENCY_CONFLICT: EXIT.usage,
  MESSAGE_EXPIRED: EXIT.undelivered,
  MESSAGE_REJECTED: EXIT.undelivered,
  MESSAGE_CANCELLED: EXIT.undelivered,
  NO_RESPONDER: EXIT.undelivered,
  RESPONDER_BUSY: EXIT.usage,
  DEADLINE: EXIT.timedOut,
  RESPONDER_GONE: EXIT.undelivered,
  REQUEST_REFUSED: EXIT.undelivered,
  NO_SUCH_REQUEST: EXIT.usage,

  CONSUMER_BUSY: EXIT.usage,
  CONSUMER_MISMATCH: EXIT.usage,
  NO_SUCH_CONSUMER: EXIT.usage,
  NO_SUCH_SUBSCRIPTION: EXIT.internal,
  TAKEN_OVER: EXIT.usage,
  CURSOR_GONE: EXIT.usage,

  COMPARE_WAITING: EXIT.usage,
  COMPARE_BUSY: EXIT.limit,
  COMPARE_LOCKED: EXIT.limit,
  COMPARE_REFUSED: EXIT.undelivered,
  NO_SUCH_COMPARISON: EXIT.usage,
  TAMPERED: EXIT.untrusted,

  NO_SUCH_TRANSFER: EXIT.undelivered,
  TRANSFER_POSITION: EXIT.internal,
  TRANSFER_BUSY: EXIT.usage,
  TRANSFER_CANCELLED: EXIT.undelivered,
  TRANSFER_CORRUPT: EXIT.undelivered,
  TRANSFER_CONFLICT: EXIT.usage,
  TRANSFER_LIMIT: EXIT.limit,
  FILE_FAILED: EXIT.internal,

  RESERVED_CONTENT: EXIT.usage,
  AUTHENTICATION_FAILED: EXIT.untrusted,
  INVALID_MESSAGE: EXIT.usage,
  VAULT_BUSY: EXIT.limit,
  NO_SUCH_VAULT_RUN: EXIT.internal,

  CONFIG_NOT_FOUND: EXIT.configuration,
  CONFIG_INVALID: EXIT.configuration,
  NOT_INITIALIZED: EXIT.usage,
  ALREADY_INITIALIZED: EXIT.usage,
  ALREADY_RUNNING: EXIT.usage,
  KEYRING_INVALID: EXIT.configuration,
  KEYRING_MISSING: EXIT.configuration,
  KEYRING_NEWER: EXIT.version,
  KEYRING_KEY_MISSING: EXIT.configuration,
  KEYRING_KEY_INVALID: EXIT.configuration,
  PASSPHRASE_REQUIRED: EXIT.configuration,
  // As for a service: another try with the same file mends nothing.
  PASSPHRASE_WRONG: EXIT.configuration,
  PASSPHRASE_INVALID: EXIT.configuration,
  BACKUP_INVALID: EXIT.usage,
  BACKUP_NEWER: EXIT.version,
  KEYRING_MODE: EXIT.configuration,
  STORE_KEYS_MISSING: EXIT.configuration,
  STORE_KEYS_INVALID: EXIT.configuration,
  STORE_LOCKED: EXIT.usage,
  STORE_UNAVAILABLE: EXIT.internal,
  STORE_NEWER: EXIT.version,
  STORE_DAMAGED: EXIT.internal,
  RECORD_DAMAGED: EXIT.internal,
  SOCKET_PATH_TOO_LONG: EXIT.configuration,
  SOCKET_FAILED: EXIT.configuration,
  ADDRESS_IN_USE: EXIT.configuration,
  LISTEN_FAILED: EXIT.configuration,

  DIAL_FAILED: EXIT.undelivered,
  WRONG_NODE: EXIT.undelivered,
  FRAME_TOO_LARGE: EXIT.limit,

  NO_SUCH_TESTNET: EXIT.usage,
  NO_SUCH_NODE: EXIT.usage,
  TESTNET_EXISTS: EXIT.usage,
  USAGE: EXIT.usage
}

/** The exit status that a code ends a command with. */
export function exitCodeOf(code: string): ExitCode {
  return Object.hasOwn(EXIT_OF_ERROR, code) ? EXIT_OF_ERROR[code as ErrorCode] : EXIT.internal
}
