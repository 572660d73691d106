import { createECDH, createHmac, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import { generateKeyPair, type KeyPair, poolRandomBytes, SecureSession } from '@parley/protocol'
import { loadWasmThemis } from '../../interop/wasm-themis.ts'
import { type Case, rateOf, type Suite } from '../lib/bench.ts'

const random = poolRandomBytes((length: number) => new Uint8Array(randomBytes(length)))
const CLIENT_ID = new TextEncoder().encode('client')
const SERVER_ID = new TextEncoder().encode('server')
const SIZES = [
  { bytes: 64, label: '64 B', bar: 10 },
  { bytes: 64 * 1024, label: '64 KiB', bar: 100 }
]

/** A handshake of two sessions in this process. */
export function establish(client: KeyPair, server: KeyPair): { a: SecureSession; b: SecureSession } {
  const options = { randomBytes: random, receivePolicy: 'ordered' } as const
  const a = SecureSession.create({ ...options, role: 'client', id: CLIENT_ID, privateKey: client.privateKey })
  const b = SecureSession.create({ ...options, role: 'server', id: SERVER_ID, privateKey: server.privateKey })
  let message: Uint8Array | undefined = a.connectRequest()
  for (let toServer = true; message !== undefined; toServer = !toServer) {
    const receiver = toServer ? b : a
    let progress = receiver.receive(message)
    if (progress.needPeerKey !== undefined) progress = receiver.peerKey(toServer ? client.publicKey : server.publicKey)
    message = progress.reply
  }
  return { a, b }
}

/** Secure Session alone: data against wasm-themis, handshakes against the public-key operations that they consist of. */
export async function openSecureSession(): Promise<Suite> {
  const themis = await loadWasmThemis()
  const client = generateKeyPair(random)
  const server = generateKeyPair(random)
  const { a, b } = establish(client, server)
  const reference = establishReference(themis)
  const nowSeconds = Math.floor(Date.now() / 1_000)
  const data = SIZES.flatMap(({ bytes, label }) => {
    const message = new Uint8Array(bytes).fill(7)
    return [
      rateOf(`parley, ${label}`, () => b.unwrap(a.wrap(message, nowSeconds), nowSeconds)),
      rateOf(`wasm-themis, ${label}`, () => reference.b.unwrap(reference.a.wrap(message)))
    ]
  })
  return {
    name: 'Secure Session: wrap and unwrap; handshakes, both sides in one process',
    cases: [...data, handshakes(client, server), publicKeyOperations()],
    ratios: [
      ...SIZES.map(({ label, bar }) => ({
        what: `wrap and unwrap ${label}, to wasm-themis`,
        of: `parley, ${label}`,
        to: `wasm-themis, ${label}`,
        bar
      })),
      {
        what: 'handshakes, to their public-key operations alone',
        of: 'parley, handshakes',
        to: 'node:crypto, its public-key operations',
        bar: 0.8
      }
    ],
    async close() {
      a.wipe()
      b.wipe()
      reference.a.destroy()
      reference.b.destroy()
    }
  }
}

function handshakes(client: KeyPair, server: KeyPair): Case {
  return rateOf('parley, handshakes', () => {
    const { a, b } = establish(client, server)
    a.wipe()
    b.wipe()
  })
}

/** What no handshake can be without: 2 key pairs, 3 signatures, 3 checks, 2 agreements with a compressed key, 10 HMACs. */
function publicKeyOperations(): Case {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const content = randomBytes(200)
  const signature = sign('sha256', content, privateKey)
  const peerPoint = createECDH('prime256v1').generateKeys('binary', 'compressed')
  const peerKey = Buffer.from(peerPoint, 'binary')
  return rateOf('node:crypto, its public-key operations', () => {
    for (let pair = 0; pair < 2; pair++) {
      const own = createECDH('prime256v1')
      own.generateKeys()
      own.computeSecret(peerKey)
    }
    for (let i = 0; i < 3; i++) {
      sign('sha256', content, privateKey)
      verify('sha256', content, publicKey, signature)
    }
    for (let i = 0; i < 10; i++) createHmac('sha256', content).update(content).digest()
  })
}

type Themis = Awaited<ReturnType<typeof loadWasmThemis>>

function establishReference(themis: Themis): { a: ReferenceSession; b: ReferenceSession } {
  const client = new themis.KeyPair()
  const server = new themis.KeyPair()
  const keyOf = (id: Uint8Array) => (Buffer.from(id).equals(CLIENT_ID) ? client.publicKey : server.publicKey)
  const a = new themis.SecureSession(CLIENT_ID, client.privateKey, keyOf)
  const b = new themis.SecureSession(SERVER_ID, server.privateKey, keyOf)
  let message = a.connectionRequest()
  for (let toServer = true; ; toServer = !toServer) {
    const reply = (toServer ? b : a).negotiateReply(message)
    if (reply === undefined || reply.length === 0) return { a, b }
    message = reply
  }
}

type ReferenceSession = InstanceType<Themis['SecureSession']>
