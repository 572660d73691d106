import type { Config } from '@parley/config'

/** The settings that bound what programs of this host may do and cost. `config/src/limits.ts` gives their units and reasons. */
export type IpcLimits = Pick<
  Config['limits'],
  | 'messageBytesMax'
  | 'requestBytesMax'
  | 'requestTimeoutMs'
  | 'callCountMax'
  | 'callBytesMax'
  | 'postCountMax'
  | 'subscriptionCountMax'
  | 'fetchWaitMsMax'
  | 'pushBytesMax'
  | 'unreadBytesMax'
  | 'unreadHangUpBytes'
  | 'sendTimeoutMs'
  | 'messageTtlMs'
  | 'messageTtlMsMax'
  | 'requestAnswerMs'
  | 'requestAnswerMsMax'
  | 'shutdownTimeoutMs'
>
