import type { Method } from '../call.ts'
import { auditList } from './audit-list.ts'
import { auditVerify } from './audit-verify.ts'
import { compareAnswer } from './compare-answer.ts'
import { compareCancel } from './compare-cancel.ts'
import { compareStart } from './compare-start.ts'
import { consumersGet } from './consumers-get.ts'
import { consumersList } from './consumers-list.ts'
import { consumersRemove } from './consumers-remove.ts'
import { consumersSeek } from './consumers-seek.ts'
import { eventsFetch } from './events-fetch.ts'
import { eventsSubscribe } from './events-subscribe.ts'
import { eventsUnsubscribe } from './events-unsubscribe.ts'
import { identityCard } from './identity-card.ts'
import { identityRotate } from './identity-rotate.ts'
import { identityShow } from './identity-show.ts'
import { keysRotateStore } from './keys-rotate-store.ts'
import { keysShow } from './keys-show.ts'
import { messagesAck } from './messages-ack.ts'
import { messagesCancel } from './messages-cancel.ts'
import { messagesCredit } from './messages-credit.ts'
import { messagesFetch } from './messages-fetch.ts'
import { messagesGet } from './messages-get.ts'
import { messagesReject } from './messages-reject.ts'
import { messagesSend } from './messages-send.ts'
import { messagesSubscribe } from './messages-subscribe.ts'
import { messagesUnsubscribe } from './messages-unsubscribe.ts'
import { nodeHealth } from './node-health.ts'
import { nodeHello } from './node-hello.ts'
import { nodeShutdown } from './node-shutdown.ts'
import { nodeStatus } from './node-status.ts'
import { nodeWhy } from './node-why.ts'
import { pairingAccept } from './pairing-accept.ts'
import { pairingCancel } from './pairing-cancel.ts'
import { pairingInvite } from './pairing-invite.ts'
import { peersAcceptKey } from './peers-accept-key.ts'
import { peersAdd } from './peers-add.ts'
import { peersBlock } from './peers-block.ts'
import { peersGet } from './peers-get.ts'
import { peersList } from './peers-list.ts'
import { peersRemove } from './peers-remove.ts'
import { peersRename } from './peers-rename.ts'
import { peersTrust } from './peers-trust.ts'
import { peersUpdate } from './peers-update.ts'
import { requestsCancel } from './requests-cancel.ts'
import { requestsRespond } from './requests-respond.ts'
import { requestsSend } from './requests-send.ts'
import { requestsServe } from './requests-serve.ts'
import { requestsUnserve } from './requests-unserve.ts'
import { transfersAccept } from './transfers-accept.ts'
import { transfersCancel } from './transfers-cancel.ts'
import { transfersFinish } from './transfers-finish.ts'
import { transfersList } from './transfers-list.ts'
import { transfersOffer } from './transfers-offer.ts'
import { transfersPause } from './transfers-pause.ts'
import { transfersRead } from './transfers-read.ts'
import { transfersWrite } from './transfers-write.ts'
import { vaultBegin } from './vault-begin.ts'
import { vaultCancel } from './vault-cancel.ts'
import { vaultDecrypt } from './vault-decrypt.ts'
import { vaultEncrypt } from './vault-encrypt.ts'
import { vaultFinish } from './vault-finish.ts'
import { vaultOpen } from './vault-open.ts'
import { vaultRead } from './vault-read.ts'
import { vaultSeal } from './vault-seal.ts'
import { vaultSign } from './vault-sign.ts'
import { vaultVerify } from './vault-verify.ts'
import { vaultWrite } from './vault-write.ts'

/** Every method of the socket. */
export const METHODS: readonly Method[] = [
  auditList,
  auditVerify,
  compareAnswer,
  compareCancel,
  compareStart,
  consumersGet,
  consumersList,
  consumersRemove,
  consumersSeek,
  eventsFetch,
  eventsSubscribe,
  eventsUnsubscribe,
  identityCard,
  identityRotate,
  identityShow,
  keysRotateStore,
  keysShow,
  messagesAck,
  messagesCredit,
  messagesFetch,
  messagesCancel,
  messagesGet,
  messagesReject,
  messagesSend,
  messagesSubscribe,
  messagesUnsubscribe,
  nodeHealth,
  nodeHello,
  nodeShutdown,
  nodeStatus,
  nodeWhy,
  pairingAccept,
  pairingCancel,
  pairingInvite,
  peersAcceptKey,
  peersAdd,
  peersBlock,
  peersGet,
  peersList,
  peersRemove,
  peersRename,
  peersTrust,
  peersUpdate,
  requestsCancel,
  requestsRespond,
  requestsSend,
  requestsServe,
  requestsUnserve,
  transfersAccept,
  transfersCancel,
  transfersFinish,
  transfersList,
  transfersOffer,
  transfersPause,
  transfersRead,
  transfersWrite,
  vaultBegin,
  vaultCancel,
  vaultDecrypt,
  vaultEncrypt,
  vaultFinish,
  vaultOpen,
  vaultRead,
  vaultSeal,
  vaultSign,
  vaultVerify,
  vaultWrite
]
