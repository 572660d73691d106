// node --conditions=parley-source test/vectors/make-comparator-forged.ts > test/vectors/data/comparator-forged.json
//
// Makes messages 3 of a peer that does not know the secret, and has everything right but proof 6. It takes the responder's
// Pb and Qb from message 2 and sends Pa = Pb + t·g3 and Qa = Qb + t·B, for a t of its own. Then Qa - Qb = t·B, so
// Ra = a3·t·B, proof 7 is genuine, and the responder's b3·Ra is Pa - Pb. The first case has bytes without meaning for
// proof 6; in the second it is a genuine proof of another opening. Arithmetic is noble's alone.
import { createHash } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import { SecureComparator } from '@parley/protocol'

const { Point } = ed25519
const { Fn, BASE: B } = Point
type EdwardsPoint = typeof B

/** Bytes that belong to a name, so that the file comes out the same each time. */
function named(name: string, length: number): Uint8Array {
  return createHash('shake256', { outputLength: length }).update(`comparator-forged/${name}`).digest()
}

function clamped(name: string): Uint8Array {
  const bytes = new Uint8Array(named(name, 32))
  bytes[0] = (bytes[0] as number) & 0xf8
  bytes[31] = ((bytes[31] as number) & 0x3f) | 0x40
  return bytes
}

const residue = (bytes: Uint8Array) => Fn.create(bytesToNumberLE(bytes))
const encodedScalar = (scalar: bigint) => numberToBytesLE(scalar, 32)

function challenge(position: number, ...points: readonly EdwardsPoint[]): bigint {
  const hash = createHash('sha512')
  for (const point of points) hash.update(point.toBytes())
  return residue(hash.update(Uint8Array.of(position)).digest())
}

/** DL, and with a second base EQ. */
function proof(position: number, secret: bigint, nonceName: string, ...bases: readonly EdwardsPoint[]): Uint8Array {
  const nonce = residue(named(nonceName, 64))
  const c = challenge(position, ...bases.map(base => base.multiply(nonce)))
  return Buffer.concat([encodedScalar(c), encodedScalar(Fn.create(c * secret + nonce))])
}

/** 2DL over g2 and g3. */
function openingProof(position: number, a: bigint, b: bigint, g2: EdwardsPoint, g3: EdwardsPoint): Uint8Array {
  const [r1, r2] = [residue(named('opening 1', 64)), residue(named('opening 2', 64))]
  const c = challenge(position, g3.multiply(r1), g2.multiply(r2).add(B.multiply(r1)))
  return Buffer.concat([c, Fn.create(c * a + r1), Fn.create(c * b + r2)].map(encodedScalar))
}

const secret = Buffer.from('only the responder knows this')
const inject = { second: clamped('b2'), third: clamped('b3'), blinding: clamped('s') }
const [a2, a3, t] = ['a2', 'a3', 't'].map(name => residue(clamped(name))) as [bigint, bigint, bigint]

const message1 = Buffer.concat([
  B.multiply(a2).toBytes(),
  proof(1, a2, 'nonce 1', B),
  B.multiply(a3).toBytes(),
  proof(2, a3, 'nonce 2', B)
])

const responder = new SecureComparator({
  randomBytes: length => named('nonces of the responder', length),
  drawScalar: name => inject[name].slice()
})
responder.append(secret)
const message2 = responder.receive(message1) as Uint8Array

function pointAt(offset: number): EdwardsPoint {
  return Point.fromBytes(message2.subarray(offset, offset + 32))
}
const g2 = pointAt(0).multiply(a2)
const g3 = pointAt(96).multiply(a3)
const Qab = B.multiply(t)

function forgedMessage3(proof6: Uint8Array): Uint8Array {
  return Buffer.concat([
    pointAt(192).add(g3.multiply(t)).toBytes(),
    pointAt(224).add(Qab).toBytes(),
    proof6,
    Qab.multiply(a3).toBytes(),
    proof(7, a3, 'nonce 7', B, Qab)
  ])
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const fixed = [0, 96, 192, 224].map(offset => ({ offset, bytes: base64(message2.subarray(offset, offset + 32)) }))

const proofs6 = [
  {
    what: 'without meaning',
    proof6: Buffer.concat([1, 2, 3].map(i => encodedScalar(residue(named(`junk ${i}`, 64)))))
  },
  { what: 'of another opening', proof6: openingProof(6, residue(clamped('r')), residue(clamped('x')), g2, g3) }
]
const cases = proofs6.map(({ what, proof6 }, i) => ({
  id: `forged-cmp-00${i + 1}`,
  desc: `message 3 without the secret: Pa = Pb + t·g3, Qa = Qb + t·B, genuine proof 7, proof 6 ${what}`,
  policy: 'must',
  role: 'responder',
  secrets: [base64(secret)],
  inject: { rand2: base64(inject.second), rand3: base64(inject.third), rand: base64(inject.blinding) },
  steps: [
    { input: base64(message1), expect: { ok: true, status: 1, output: 352, result: 0 }, out_at: fixed },
    { input: base64(forgedMessage3(proof6)), expect: { ok: true, status: 1, output: 96, result: 22 }, out_at: [] }
  ],
  result: 22
}))
process.stdout.write(`${JSON.stringify({ file: 'comparator-forged.json', cases }, null, 1)}\n`)
