import {
  decodePrivateKey,
  decodePublicKey,
  decryptMessage,
  decryptSeal,
  encryptMessage,
  encryptSeal,
  ProtocolError,
  type PublicKey,
  signMessage,
  verifyMessage
} from '@parley/protocol'
import type { RandomBytes } from '../random.ts'

/** One use of keys. Keys are copies, which whoever performs the task wipes. */
export type VaultTask = (
  | { readonly operation: 'seal' | 'open'; readonly key: Uint8Array; readonly context: Uint8Array }
  | { readonly operation: 'sign'; readonly privateKey: Uint8Array }
  | { readonly operation: 'verify'; readonly publicKey: Uint8Array }
  | { readonly operation: 'encrypt'; readonly privateKey: Uint8Array; readonly publicKey: Uint8Array }
  | {
      readonly operation: 'decrypt'
      /** Tried one after the other. */
      readonly privateKeys: readonly Uint8Array[]
      readonly publicKey: Uint8Array
    }
) & { readonly content: Uint8Array }

/**
 * Does what a task says, and wipes its keys.
 *
 * @throws {ProtocolError} `INVALID_MESSAGE` `AUTHENTICATION_FAILED` `INVALID_KEY`
 */
export function perform(task: VaultTask, randomBytes: RandomBytes): Uint8Array {
  try {
    return compute(task, randomBytes)
  } finally {
    for (const secret of secretsOf(task)) secret.fill(0)
  }
}

/** The secret keys of a task. */
export function secretsOf(task: VaultTask): readonly Uint8Array[] {
  switch (task.operation) {
    case 'seal':
    case 'open':
      return [task.key]
    case 'sign':
    case 'encrypt':
      return [task.privateKey]
    case 'decrypt':
      return task.privateKeys
    case 'verify':
      return []
  }
}

function compute(task: VaultTask, randomBytes: RandomBytes): Uint8Array {
  const { content } = task
  switch (task.operation) {
    case 'seal':
      return encryptSeal(task.key, content, randomBytes, task.context)
    case 'open':
      return decryptSeal(task.key, content, task.context)
    case 'sign':
      return signMessage(decodePrivateKey(task.privateKey), content)
    case 'verify':
      return verifyMessage(decodePublicKey(task.publicKey), content)
    case 'encrypt':
      return encryptMessage(decodePrivateKey(task.privateKey), decodePublicKey(task.publicKey), content, randomBytes)
    case 'decrypt':
      return decryptWithAny(task.privateKeys, decodePublicKey(task.publicKey), content)
  }
}

function decryptWithAny(privateKeys: readonly Uint8Array[], publicKey: PublicKey, content: Uint8Array): Uint8Array {
  for (const privateKey of privateKeys) {
    try {
      return decryptMessage(decodePrivateKey(privateKey), publicKey, content)
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.code !== 'AUTHENTICATION_FAILED') throw error
    }
  }
  throw new ProtocolError('AUTHENTICATION_FAILED', 'no key opens the message')
}
