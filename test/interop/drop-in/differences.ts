import { inspect } from 'node:util'
import { bytes, MASTER_KEY, outcomeOf, TEXT, type Themis } from './case.ts'
import { comparatorOf, compare, openEstablished, openSessions } from './protocol-cases.ts'

/** Where the drop-in does something else than wasm-themis, on purpose. */
export interface Difference {
  readonly name: string
  readonly why: string
  run(themis: Themis): unknown
  readonly wasmThemis: unknown
  readonly dropIn: unknown
}

/** A copy with one bit changed. */
function flipped(whole: Uint8Array, at: number): Uint8Array {
  const copy = whole.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

const join = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

/** Puts the right size and checksum into a container. */
function sealContainer(container: Uint8Array): Uint8Array {
  const view = new DataView(container.buffer, container.byteOffset)
  view.setUint32(4, container.length)
  view.setUint32(8, 0)
  view.setUint32(8, crc32c(container), true)
  return container
}

function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of data) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

const sessionDifferences: readonly Difference[] = [
  {
    name: 'a message wrapped before the handshake',
    why: 'it would be encrypted with a key of zeros',
    run: themis => openSessions(themis).client.wrap(TEXT).length,
    wasmThemis: TEXT.length + 52,
    dropIn: 'ThemisError 19'
  },
  {
    name: 'a last handshake message with no MAC in it',
    why: 'anybody could send it, and the client would be established with nobody',
    run(themis) {
      const { client, server } = openSessions(themis)
      client.negotiateReply(server.negotiateReply(client.connectionRequest()))
      client.negotiateReply(sealContainer(join(bytes('TSPM'), new Uint8Array(8))))
      return client.established()
    },
    wasmThemis: true,
    dropIn: 'ThemisError 12'
  },
  {
    name: 'a data message whose encrypted header was changed, one of another session, one with a tail',
    why: 'nothing of a message is looked at before its tag is found right',
    run(themis) {
      const { client, server } = openEstablished(themis)
      const wrapped = client.wrap(TEXT)
      return [
        outcomeOf(() => server.unwrap(flipped(wrapped, 20))),
        outcomeOf(() => server.unwrap(openEstablished(themis).client.wrap(TEXT))),
        outcomeOf(() => server.unwrap(join(wrapped, TEXT)).length)
      ]
    },
    wasmThemis: ['ThemisError 12', 'ThemisError 12', TEXT.length],
    dropIn: ['ThemisError 11', 'ThemisError 11', 'ThemisError 11']
  },
  {
    name: 'a handshake message to unwrap, and data to negotiateReply',
    why: 'the one lost the reply, the other the data, with codes that mean success',
    run(themis) {
      const { client, server } = openSessions(themis)
      const established = openEstablished(themis)
      return [
        outcomeOf(() => server.unwrap(client.connectionRequest())),
        outcomeOf(() => established.server.negotiateReply(established.client.wrap(TEXT)))
      ]
    },
    wasmThemis: ['ThemisError 1', 'ThemisError 0'],
    dropIn: ['ThemisError 12', 'ThemisError 12']
  },
  {
    name: 'how often a handshake asks for a key',
    why: 'once a message is enough: a callback may be slow, or count',
    run: themis => openEstablished(themis).asked.length,
    wasmThemis: 4,
    dropIn: 2
  },
  {
    name: 'what a destroyed session and comparator say of themselves',
    why: 'they are neither established nor complete',
    run(themis) {
      const { client } = openEstablished(themis)
      const comparator = comparatorOf(themis, 'x')
      client.destroy()
      comparator.destroy()
      return [client.established(), comparator.complete()]
    },
    wasmThemis: [true, true],
    dropIn: [false, false]
  }
]

const cellDifferences: readonly Difference[] = [
  {
    name: 'a cell with bytes between its header and its ciphertext, a token with a tail',
    why: 'Themis writes none, and what is not authenticated has no place in an authenticated message',
    run({ SecureCellSeal, SecureCellTokenProtect }) {
      const sealed = SecureCellSeal.withKey(MASTER_KEY).encrypt(TEXT)
      const { data, token } = SecureCellTokenProtect.withKey(MASTER_KEY).encrypt(TEXT)
      const stuffed = join(sealed.subarray(0, 44), bytes('junk'), sealed.subarray(44))
      return [
        outcomeOf(() => SecureCellSeal.withKey(MASTER_KEY).decrypt(stuffed).length),
        outcomeOf(() => SecureCellTokenProtect.withKey(MASTER_KEY).decrypt(data, join(token, TEXT)).length)
      ]
    },
    wasmThemis: [TEXT.length, TEXT.length],
    dropIn: ['ThemisError 11', 'ThemisError 11']
  },
  {
    name: 'a passphrase cell that asks for very many iterations',
    why: 'their number is not authenticated before they have been worked off; the limits can be set',
    run({ SecureCellSeal }) {
      const cell = SecureCellSeal.withPassphrase('x')
      const sealed = cell.encrypt(TEXT)
      new DataView(sealed.buffer).setUint32(48, 2_000_001, true)
      return cell.decrypt(sealed)
    },
    wasmThemis: 'ThemisError 11',
    dropIn: 'ThemisError 12'
  }
]

const keyDifferences: readonly Difference[] = [
  {
    name: 'what the methods of byte arrays make of a key',
    why: 'a part of a key is bytes, and no key; in the reference most throw, and subarray gives all of it',
    run({ KeyPair, SymmetricKey }) {
      const { privateKey } = new KeyPair()
      return [
        outcomeOf(() => privateKey.slice(0, 3)),
        outcomeOf(() => privateKey.subarray(0, 3).length),
        outcomeOf(() => new SymmetricKey(TEXT).map(() => 0).length)
      ]
    },
    wasmThemis: ['TypeError', 45, 'TypeError'],
    dropIn: [`Uint8Array: ${Buffer.from('REC').toString('hex')}`, 3, TEXT.length]
  },
  {
    name: 'whether inspection and JSON show secrets',
    why: 'logs are no place for keys',
    run({ KeyPair, PrivateKey, SecureCellSeal, SecureMessageSign, SymmetricKey }) {
      const key = new SymmetricKey(new Uint8Array(32).fill(201))
      const pair = new KeyPair()
      const shows = (object: unknown) =>
        [inspect(object), JSON.stringify(object)].some(text => /201|82,\s*69/.test(text))
      return [
        shows(key),
        shows(new PrivateKey(pair.privateKey)),
        shows({ pair }),
        shows(new SecureMessageSign(pair.privateKey)),
        shows(SecureCellSeal.withKey(key))
      ]
    },
    wasmThemis: [true, true, true, true, true],
    dropIn: [false, false, false, false, false]
  },
  {
    name: 'a private key that is overwritten after its first use',
    why: 'it is read once, which is what makes the rest fast; let go of the object instead',
    run({ KeyPair, SecureMessageSign }) {
      const { privateKey } = new KeyPair()
      const signer = new SecureMessageSign(privateKey)
      signer.sign(TEXT)
      privateKey.fill(0)
      return outcomeOf(() => signer.sign(TEXT).length > 0)
    },
    wasmThemis: 'ThemisError 12',
    dropIn: true
  }
]

const comparatorDifferences: readonly Difference[] = [
  {
    name: 'a comparator with no secret that answers',
    why: 'it would compare nothing; the reference refuses it in the one role only',
    run: themis => new themis.SecureComparator().proceed(comparatorOf(themis, 'x').begin()).length,
    wasmThemis: 352,
    dropIn: 'ThemisError 12'
  },
  {
    name: 'a message to a comparator that has found a match',
    why: 'what was found stays found',
    run(themis) {
      const [alice, bob] = [comparatorOf(themis, 'x'), comparatorOf(themis, 'x')]
      compare(alice, bob)
      const refused = outcomeOf(() => alice.proceed(new Uint8Array(400)))
      return [refused, alice.compareEqual()]
    },
    wasmThemis: ['ThemisError 12', false],
    dropIn: ['ThemisError 12', true]
  }
]

export const DIFFERENCES: readonly Difference[] = [
  ...keyDifferences,
  ...cellDifferences,
  ...sessionDifferences,
  ...comparatorDifferences
]
