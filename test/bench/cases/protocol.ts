import { randomBytes } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import * as dropIn from '@parley/protocol/themis'
import type * as WasmThemis from 'wasm-themis'
import { loadWasmThemis } from '../../interop/wasm-themis.ts'
import { type Case, type Ratio, rateOf, type Suite } from '../lib/bench.ts'

const SIZES = [
  { bytes: 64, label: '64 B', bar: 1 },
  { bytes: 1024, label: '1 KiB', bar: 5 },
  { bytes: 64 * 1024, label: '64 KiB', bar: 5 },
  { bytes: 1024 * 1024, label: '1 MiB', bar: 5 }
]
const OURS = 'parley'
const REFERENCE = 'wasm-themis'
const PLAIN_COMPARISONS = 'plain noble, multiplications of comparisons'

const CONTEXT = new TextEncoder().encode('a context')
const SECRET = new TextEncoder().encode('a secret to be compared')
const CLIENT_ID = new TextEncoder().encode('client')
const SERVER_ID = new TextEncoder().encode('server')

type Themis = typeof WasmThemis

/** Something of Themis to measure. `bar`: at least so many times as fast as the reference. */
interface Work {
  readonly name: string
  readonly bar?: number
  readonly aim?: number
  run(): unknown
}

/**
 * All of Themis: one program, run with wasm-themis and with the drop-in for it, which must be five times as fast where it moves
 * bytes, and elsewhere as fast. Comparisons alone are held against the multiplications of an implementation on plain noble.
 */
export async function openProtocol(): Promise<Suite> {
  const ours = worksOf(dropIn as unknown as Themis)
  const theirs = worksOf(await loadWasmThemis())
  const cases = ours.flatMap(({ name, run }, i) => [
    rateOf(`${OURS}, ${name}`, run),
    rateOf(`${REFERENCE}, ${name}`, (theirs[i] as Work).run)
  ])
  const ratios = ours.map(({ name, bar, aim }): Ratio => {
    const to = `${REFERENCE}, ${name}`
    return { what: `${name}, to wasm-themis`, of: `${OURS}, ${name}`, to, ...(bar && { bar }), ...(aim && { aim }) }
  })
  const comparisons = { of: `${OURS}, comparisons`, to: PLAIN_COMPARISONS }
  return {
    name: 'all of Themis: both directions of each system, both sides in one process',
    cases: [...cases, plainComparisons()],
    ratios: [...ratios, { what: 'comparisons, to their multiplications with plain noble', ...comparisons, bar: 2 }],
    // Every session was wiped where it was made, or ends with the process.
    async close() {}
  }
}

function worksOf(themis: Themis): readonly Work[] {
  const sized = [...cellWorks(themis), ...messageWorks(themis), sessionWork(themis)]
  const works = sized.flatMap(({ name, run }) =>
    SIZES.map(({ bytes, label, bar }): Work => {
      const message = new Uint8Array(bytes).fill(7)
      return { name: `${name}, ${label}`, bar, run: () => run(message) }
    })
  )
  return [...works, ...wholeWorks(themis)]
}

/** Something to do with messages of any size. */
interface SizedWork {
  readonly name: string
  run(message: Uint8Array): unknown
}

function cellWorks({ SecureCellSeal, SecureCellTokenProtect, SecureCellContextImprint }: Themis): SizedWork[] {
  const masterKey = new Uint8Array(randomBytes(32))
  const seal = SecureCellSeal.withKey(masterKey)
  const tokenProtect = SecureCellTokenProtect.withKey(masterKey)
  const imprint = SecureCellContextImprint.withKey(masterKey)
  return [
    { name: 'Seal', run: message => seal.decrypt(seal.encrypt(message, CONTEXT), CONTEXT) },
    {
      name: 'Token Protect',
      run(message) {
        const { data, token } = tokenProtect.encrypt(message)
        return tokenProtect.decrypt(data, token)
      }
    },
    { name: 'Context Imprint', run: message => imprint.decrypt(imprint.encrypt(message, CONTEXT), CONTEXT) }
  ]
}

function messageWorks({ KeyPair, SecureMessage, SecureMessageSign, SecureMessageVerify }: Themis): SizedWork[] {
  const pair = new KeyPair()
  const signer = new SecureMessageSign(pair.privateKey)
  const verifier = new SecureMessageVerify(pair.publicKey)
  const encrypter = new SecureMessage(pair)
  return [
    { name: 'signed messages', run: message => verifier.verify(signer.sign(message)) },
    { name: 'encrypted messages', run: message => encrypter.decrypt(encrypter.encrypt(message)) }
  ]
}

function sessionWork(themis: Themis): SizedWork {
  const { client, server } = establish(themis, new themis.KeyPair(), new themis.KeyPair())
  return { name: 'sessions', run: message => server.unwrap(client.wrap(message)) }
}

function wholeWorks(themis: Themis): Work[] {
  const [clientPair, serverPair] = [new themis.KeyPair(), new themis.KeyPair()]
  const passphraseCell = themis.SecureCellSeal.withPassphrase('a passphrase')
  return [
    { name: 'passphrase cells', bar: 1, run: () => passphraseCell.decrypt(passphraseCell.encrypt(SECRET)) },
    { name: 'key pairs', bar: 1, run: () => new themis.KeyPair() },
    {
      name: 'handshakes',
      bar: 1,
      run() {
        const { client, server } = establish(themis, clientPair, serverPair)
        client.destroy()
        server.destroy()
      }
    },
    { name: 'comparisons', aim: 1, run: () => compare(themis) }
  ]
}

type Pair = InstanceType<Themis['KeyPair']>
type Session = InstanceType<Themis['SecureSession']>

function establish(
  { SecureSession }: Themis,
  clientPair: Pair,
  serverPair: Pair
): { client: Session; server: Session } {
  const client = new SecureSession(CLIENT_ID, clientPair.privateKey, () => serverPair.publicKey)
  const server = new SecureSession(SERVER_ID, serverPair.privateKey, () => clientPair.publicKey)
  client.negotiateReply(server.negotiateReply(client.negotiateReply(server.negotiateReply(client.connectionRequest()))))
  if (!(client.established() && server.established())) throw new Error('the handshake did not end')
  return { client, server }
}

function compare({ SecureComparator }: Themis): void {
  const [alice, bob] = [new SecureComparator(), new SecureComparator()]
  alice.append(SECRET)
  bob.append(SECRET)
  alice.proceed(bob.proceed(alice.proceed(bob.proceed(alice.begin()))))
  if (!(alice.compareEqual() && bob.compareEqual())) throw new Error('equal secrets do not match')
  alice.destroy()
  bob.destroy()
}

/** What both sides of a comparison multiply when nothing is shared or merged: the base point 22 times, other points 36 times. */
function plainComparisons(): Case {
  const { Point } = ed25519
  const scalars = Array.from({ length: 36 }, () => Point.Fn.create(BigInt(`0x${randomBytes(32).toString('hex')}`)))
  const point = Point.BASE.multiply(12_345n)
  return rateOf(PLAIN_COMPARISONS, () => {
    for (const scalar of scalars.slice(0, 22)) Point.BASE.multiply(scalar)
    for (const scalar of scalars) point.multiply(scalar)
  })
}
