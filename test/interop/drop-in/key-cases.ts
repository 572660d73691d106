import { type Case, EMPTY, make, NOT_BYTES, outcomeOf, TEXT, withEach } from './case.ts'

/** What the drop-in has in addition is none of this. */
const isName = (name: string) => /^[A-Za-z]+$/.test(name) && name !== 'TransportSession'

export const KEY_CASES: readonly Case[] = [
  { name: 'the names that there are', run: themis => Object.keys(themis).filter(isName).sort() },
  { name: 'the error codes, both ways', run: themis => ({ ...themis.ThemisErrorCode }) },
  {
    name: 'what an error says and holds',
    run: ({ ThemisError }) =>
      [
        new ThemisError('SecureSession', 21),
        new ThemisError('SecureComparator', 21),
        new ThemisError('Other', 21),
        new ThemisError('Other', 12, 'for a reason'),
        make(ThemisError, 'Other', 12, 'one', 'two') as unknown as Error
      ].map(error => [error.message, error.name, error instanceof Error, Object.keys(error).sort()])
  },
  {
    name: 'descriptions of errors',
    run: ({ ThemisError }) =>
      ['SecureSession', 'SecureComparator', 'SecureMessage'].map(subsystem =>
        Array.from({ length: 24 }, (_, code) => ThemisError.description(code, subsystem))
      )
  },
  {
    name: 'keys are byte arrays of their lengths',
    run: ({ KeyPair, PrivateKey, PublicKey, SymmetricKey }) => {
      const pair = new KeyPair()
      return [
        [pair.privateKey.length, pair.privateKey instanceof PrivateKey, pair.privateKey instanceof Uint8Array],
        [pair.publicKey.length, pair.publicKey instanceof PublicKey, pair.publicKey instanceof Uint8Array],
        [new SymmetricKey().length, new SymmetricKey() instanceof Uint8Array, new SymmetricKey(TEXT).length]
      ]
    }
  },
  {
    name: 'a key pair has copies of the keys that it was given',
    run: ({ KeyPair }) => {
      const pair = new KeyPair()
      const again = new KeyPair(pair.privateKey, pair.publicKey)
      return [
        Buffer.compare(again.privateKey, pair.privateKey),
        Buffer.compare(again.publicKey, pair.publicKey),
        again.privateKey === pair.privateKey
      ]
    }
  },
  {
    name: 'keys from an array, from its buffer, and from other things',
    run: ({ KeyPair, PrivateKey, PublicKey }) => {
      const { privateKey, publicKey } = new KeyPair()
      return [
        new PublicKey(new Uint8Array(publicKey)).length,
        new PublicKey(new Uint8Array(publicKey).buffer).length,
        new PrivateKey(Buffer.from(privateKey)).length,
        withEach([...NOT_BYTES, EMPTY, new Int8Array(publicKey), privateKey], value => make(PublicKey, value)),
        withEach([...NOT_BYTES, EMPTY, new Int8Array(privateKey), publicKey], value => make(PrivateKey, value)),
        withEach([...NOT_BYTES, EMPTY, publicKey], value => make(KeyPair, value, publicKey)),
        withEach([...NOT_BYTES, EMPTY, privateKey], value => make(KeyPair, privateKey, value)),
        outcomeOf(() => make(KeyPair, privateKey)),
        outcomeOf(() => make(KeyPair, privateKey, publicKey, 1))
      ]
    }
  },
  {
    name: 'a key with any one byte changed',
    run: ({ KeyPair, PublicKey }) => {
      const { publicKey } = new KeyPair()
      return [...publicKey].map((_, i) => {
        const changed = new Uint8Array(publicKey)
        changed[i] = (changed[i] as number) ^ 0x80
        return outcomeOf(() => new PublicKey(changed).length)
      })
    }
  },
  {
    name: 'symmetric keys of wrong things',
    run: ({ SymmetricKey }) =>
      withEach([...NOT_BYTES.filter(value => value !== undefined), EMPTY, new Int16Array(0), EMPTY.buffer, ''], value =>
        make(SymmetricKey, value)
      )
  }
]
