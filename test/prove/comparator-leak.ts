import { createHash } from 'node:crypto'
import { SecureComparator } from '@parley/protocol'
import { loadWasmThemis } from '../interop/wasm-themis.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'comparator-leak'
export const describe =
  'messages 2 and 3 of a comparison tell nothing of the secret, where those of wasm-themis tell a bit in every run'

const ORDER = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n
const INVERSE_OF_8 = power(8n, ORDER - 2n)
const SECRET = 'the secret'
const WRONG_SECRET = 'a guess'

/** Where the challenge and the answer that covers the secret stand. */
const PROOF_IN_MESSAGE = { responder: { challenge: 256, answer: 320 }, initiator: { challenge: 64, answer: 128 } }
type Speaker = keyof typeof PROOF_IN_MESSAGE

/** Message 2, of the responder, and message 3, of the initiator, of one run between sides with different secrets. */
type Run = () => Readonly<Record<Speaker, Uint8Array>>

/**
 * A clamped nonce is 2^254 + 8k with k below 2^251. So for the true secret x of whoever made a proof,
 * (s2 - c·x - 2^254) / 8 modulo ℓ is always below 2^251, and for another value half of the time. With uniform
 * nonces the true secret, too, passes half of the time.
 */
export async function run({ seed, size, log }: ProofOptions): Promise<ProofResult> {
  const runs = size === 'full' ? 2_000 : 200
  const wasmRuns = 200
  const random = seededRandom(seed)
  const ours = countPasses(runs, () => runOfOurs(random))
  log(`ours: ${JSON.stringify(ours)} of ${runs}`)
  const themis = await loadWasmThemis()
  const theirs = countPasses(wasmRuns, () => {
    const initiator = new themis.SecureComparator()
    const responder = new themis.SecureComparator()
    initiator.append(Buffer.from(SECRET))
    responder.append(Buffer.from(WRONG_SECRET))
    const message2 = responder.proceed(initiator.begin())
    const message3 = initiator.proceed(message2)
    const copies = { responder: message2.slice(), initiator: message3.slice() }
    initiator.destroy()
    responder.destroy()
    return copies
  })
  log(`wasm-themis: ${JSON.stringify(theirs)} of ${wasmRuns}`)
  const isHalf = (passes: number) => passes >= 0.3 * runs && passes <= 0.7 * runs
  const isHidden = isHalf(ours.initiator.own) && isHalf(ours.responder.own)
  const isTestSound = theirs.initiator.own === wasmRuns && theirs.responder.own === wasmRuns
  return {
    ok: isHidden && isTestSound,
    counts: {
      runs,
      passesAsInitiator: ours.initiator.own,
      passesAsResponder: ours.responder.own,
      wrongSecretPasses: ours.initiator.other + ours.responder.other,
      wasmRuns,
      wasmPassesAsInitiator: theirs.initiator.own,
      wasmPassesAsResponder: theirs.responder.own,
      wasmWrongSecretPasses: theirs.initiator.other + theirs.responder.other
    },
    notes: isTestSound ? [] : ['the test does not find the leak of wasm-themis']
  }
}

interface Passes {
  /** Runs in which the speaker's own secret passes. */
  readonly own: number
  /** Runs in which a secret passes that the speaker does not have. */
  readonly other: number
}

function countPasses(runs: number, makeRun: Run): Readonly<Record<Speaker, Passes>> {
  const messages = Array.from({ length: runs }, makeRun)
  const countOf = (speaker: Speaker, secret: string) =>
    messages.filter(message => passes(message[speaker], speaker, secret)).length
  return {
    initiator: { own: countOf('initiator', SECRET), other: countOf('initiator', WRONG_SECRET) },
    responder: { own: countOf('responder', WRONG_SECRET), other: countOf('responder', SECRET) }
  }
}

function runOfOurs(random: SeededRandom): Readonly<Record<Speaker, Uint8Array>> {
  const randomBytes = (length: number) => random.bytes(length)
  using initiator = new SecureComparator({ randomBytes })
  using responder = new SecureComparator({ randomBytes })
  initiator.append(Buffer.from(SECRET))
  responder.append(Buffer.from(WRONG_SECRET))
  const message2 = responder.receive(initiator.begin()) as Uint8Array
  const message3 = initiator.receive(message2) as Uint8Array
  return { responder: message2, initiator: message3 }
}

function passes(message: Uint8Array, speaker: Speaker, secret: string): boolean {
  const { challenge, answer } = PROOF_IN_MESSAGE[speaker]
  const nonce = numberAt(message, answer) - numberAt(message, challenge) * scalarOf(secret)
  return residue(residue(nonce - 2n ** 254n) * INVERSE_OF_8) < 2n ** 251n
}

function scalarOf(secret: string): bigint {
  const digest = createHash('sha256').update(secret).digest()
  digest[0] = (digest[0] as number) & 0xf8
  digest[31] = ((digest[31] as number) & 0x3f) | 0x40
  return numberAt(digest, 0)
}

function numberAt(bytes: Uint8Array, offset: number): bigint {
  return BigInt(`0x${Buffer.from(bytes.slice(offset, offset + 32).reverse()).toString('hex')}`)
}

function residue(n: bigint): bigint {
  return ((n % ORDER) + ORDER) % ORDER
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let [square, rest] = [base, exponent]; rest > 0n; rest >>= 1n, square = residue(square * square)) {
    if (rest & 1n) result = residue(result * square)
  }
  return result
}
