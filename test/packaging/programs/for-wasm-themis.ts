// A program written for wasm-themis. It is type-checked here as it is, and run from the packed package with its import changed.
import themis, {
  initialize,
  KeyPair,
  PrivateKey,
  PublicKey,
  SecureCellContextImprint,
  SecureCellSeal,
  SecureCellTokenProtect,
  SecureComparator,
  SecureMessage,
  SecureMessageSign,
  SecureMessageVerify,
  SecureSession,
  SymmetricKey,
  ThemisError,
  ThemisErrorCode
} from 'wasm-themis'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const printed: string[] = []

function useCells(): void {
  const key: Uint8Array = new SymmetricKey()
  const seal: SecureCellSeal = SecureCellSeal.withKey(key)
  printed.push(decode(seal.decrypt(seal.encrypt(encode('sealed')))))
  const passphrase = SecureCellSeal.withPassphrase('open sesame')
  printed.push(decode(passphrase.decrypt(passphrase.encrypt(encode('locked'), encode('context')), encode('context'))))
  const token = SecureCellTokenProtect.withKey(key)
  const { data, token: authTag }: { data: Uint8Array; token: Uint8Array } = token.encrypt(encode('protected'))
  printed.push(decode(token.decrypt(data, authTag)))
  const imprint = new SecureCellContextImprint(key)
  printed.push(decode(imprint.decrypt(imprint.encrypt(encode('imprinted'), encode('context')), encode('context'))))
  try {
    seal.decrypt(encode('none of ours, but long enough to be one'))
  } catch (error) {
    printed.push(`${error instanceof ThemisError} ${ThemisErrorCode.INVALID_PARAMETER}`)
  }
}

function useMessages(): void {
  const pair: KeyPair = new KeyPair()
  const privateKey: PrivateKey = new PrivateKey(new Uint8Array(pair.privateKey))
  const publicKey: PublicKey = new PublicKey(pair.publicKey.slice !== undefined ? pair.publicKey : new ArrayBuffer(0))
  const message = new SecureMessage(new KeyPair(privateKey, publicKey))
  printed.push(decode(message.decrypt(message.encrypt(encode('encrypted')))))
  const signed = new SecureMessageSign(privateKey).sign(encode('signed'))
  printed.push(decode(new SecureMessageVerify(publicKey).verify(signed)))
}

function useSession(): void {
  const [alice, bob] = [new KeyPair(), new KeyPair()]
  const client = new SecureSession(encode('alice'), alice.privateKey, (id: Uint8Array) => {
    if (decode(id) !== 'bob') throw new Error('an unknown peer')
    return bob.publicKey
  })
  const server = new SecureSession(encode('bob'), bob.privateKey, () => alice.publicKey)
  let message = client.connectionRequest()
  while (!(client.established() && server.established())) {
    message = server.negotiateReply(message)
    message = client.negotiateReply(message)
  }
  printed.push(decode(server.unwrap(client.wrap(encode('wrapped')))))
  client.destroy()
  server.destroy()
}

function useComparator(): void {
  const [alice, bob] = [new SecureComparator(), new SecureComparator()]
  alice.append(encode('secret'))
  bob.append(encode('secret'))
  let message = alice.begin()
  while (!(alice.complete() && bob.complete())) message = alice.proceed(bob.proceed(message))
  printed.push(`${alice.compareEqual()} ${bob.compareEqual()}`)
  alice.destroy()
  bob.destroy()
}

await initialize()
await themis.initialized
useCells()
useMessages()
useSession()
useComparator()
console.log(printed.join(', '))
