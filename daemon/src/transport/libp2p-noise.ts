import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { type ICryptoInterface, noise } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import type { ConnectionEncrypter } from '@libp2p/interface'

/** The text of the error of a dial that another node answered; all that libp2p's upgrader keeps of an error is its text. */
export const WRONG_NODE_MARK = 'parley: another node answered'

const CIPHER = 'chacha20-poly1305'
const TAG_BYTES = 16
/** Below this the WebAssembly cipher that Noise brings is faster than the way into OpenSSL. */
const NATIVE_BYTES_MIN = 1_200

/**
 * Noise's own crypto, but for large messages: each key becomes a KeyObject once. `createCipheriv` makes one for every call that
 * is given raw bytes, which on Node 24 costs more than the encryption.
 */
function cachedKeyCrypto(): ICryptoInterface {
  const keys = new WeakMap<Uint8Array, KeyObject>()
  const keyObject = (raw: Uint8Array): KeyObject => {
    let key = keys.get(raw)
    if (key === undefined) {
      key = createSecretKey(raw)
      keys.set(raw, key)
    }
    return key
  }
  return {
    ...defaultCrypto,
    chaCha20Poly1305Encrypt(plaintext, nonce, ad, k) {
      const length = plaintext.byteLength
      if (length < NATIVE_BYTES_MIN) return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, k)
      const cipher = createCipheriv(CIPHER, keyObject(k), nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(ad, { plaintextLength: length })
      // One piece, so that it is one write to the socket.
      const sealed = Buffer.allocUnsafeSlow(length + TAG_BYTES)
      let at = 0
      for (const part of plaintext instanceof Uint8Array ? [plaintext] : plaintext) {
        sealed.set(cipher.update(part), at)
        at += part.byteLength
      }
      cipher.final()
      sealed.set(cipher.getAuthTag(), at)
      return sealed
    },
    chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst) {
      const length = ciphertext.byteLength - TAG_BYTES
      if (length < NATIVE_BYTES_MIN) return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst)
      const sealed = ciphertext instanceof Uint8Array ? ciphertext : ciphertext.subarray()
      const decipher = createDecipheriv(CIPHER, keyObject(k), nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(ad, { plaintextLength: length })
      decipher.setAuthTag(sealed.subarray(length))
      const opened = decipher.update(sealed.subarray(0, length))
      decipher.final()
      return opened
    }
  }
}

type NoiseFactory = ReturnType<typeof noise>

/** Noise, as a connection encrypter that tells a wrong node apart from every other failure. */
export function parleyNoise(): (components: Parameters<NoiseFactory>[0]) => ConnectionEncrypter {
  const make = noise({ crypto: cachedKeyCrypto() })
  return components => {
    const inner = make(components)
    return {
      protocol: inner.protocol,
      secureInbound: (connection, options) => inner.secureInbound(connection, options),
      async secureOutbound(connection, options) {
        try {
          return await inner.secureOutbound(connection, options)
        } catch (cause) {
          if (cause instanceof Error && cause.name === 'UnexpectedPeerError')
            throw new Error(WRONG_NODE_MARK, { cause })
          throw cause
        }
      }
    }
  }
}
