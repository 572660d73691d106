import { decodePrivateKey, decodePublicKey, fingerprint, verifyMessage } from '@parley/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CARD_BYTES_MAX,
  CARD_LABEL,
  CARD_PREFIX,
  type Card,
  decodeCard,
  formatCard,
  isSameCard,
  makeCard,
  parseCard
} from '../../src/identity/card.ts'
import { joinBytes, lengthPrefixed, textBytes, u64Bytes } from '../../src/identity/fields.ts'
import { createOtherKeys, Keyring } from '../../src/identity/keyring.ts'
import { nodeIdBytes, publicKeyOfNodeId, verifyEd25519 } from '../../src/identity/node-id.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { cardOf, codeOf, identityNamed } from './identities.ts'

const ada = identityNamed('ada')
const grace = identityNamed('grace')
const ADDRESSES = ['/ip4/192.0.2.7/tcp/7390', '/ip6/2001:db8::1/tcp/7390', '/dns4/ada.example.org/tcp/80']

/** The ten parts of a card's content, each to be replaced by a test. */
function partsOf(card: Card, keyring: Keyring): Record<string, Uint8Array> {
  return {
    label: CARD_LABEL,
    id: lengthPrefixed(textBytes(card.id)),
    publicKey: lengthPrefixed(keyring.publicKeyBytes),
    nodeId: lengthPrefixed(nodeIdBytes(card.nodeId)),
    boxKey: lengthPrefixed(card.boxKey),
    addresses: lengthPrefixed(joinBytes(...card.addresses.map(address => lengthPrefixed(textBytes(address))))),
    lineage: lengthPrefixed(card.lineage),
    serial: lengthPrefixed(u64Bytes(card.serial)),
    time: lengthPrefixed(u64Bytes(card.time)),
    next: lengthPrefixed(new Uint8Array(0))
  }
}

/** A card with whatever content, rightly signed by both keys of `keyring`. */
function signedCard(content: Uint8Array, keyring = ada): Uint8Array {
  return joinBytes(lengthPrefixed(keyring.signStatement(content)), lengthPrefixed(keyring.signAsNode(content)))
}

function withPart(part: string, bytes: Uint8Array): Uint8Array {
  return signedCard(joinBytes(...Object.values({ ...partsOf(cardOf(ada), ada), [part]: bytes })))
}

const addressPart = (...addresses: readonly string[]): Uint8Array =>
  lengthPrefixed(joinBytes(...addresses.map(address => lengthPrefixed(textBytes(address)))))

describe('a contact card', () => {
  it('says, as text and as bytes, what it was made of', () => {
    const card = makeCard(ada, { addresses: ADDRESSES, serial: 7, time: 1_700_000_000_000 })
    for (const read of [parseCard(formatCard(card)), decodeCard(card.bytes)]) {
      expect(read).toEqual(card)
      expect(read).toMatchObject({ id: 'ada', nodeId: ada.nodeId, serial: 7, time: 1_700_000_000_000, next: undefined })
      expect(read.publicKeyBytes).toEqual(ada.publicKeyBytes)
      expect(read.publicKey.toBytes()).toEqual(ada.publicKeyBytes)
      expect(read.fingerprint).toEqual(fingerprint(decodePublicKey(ada.publicKeyBytes)))
      expect(read.lineage).toEqual(ada.fingerprint)
      expect(read.boxKey).toEqual(ada.boxKey)
      expect(read.addresses).toEqual(ADDRESSES)
    }
  })

  it('has the documented layout', () => {
    const card = cardOf(ada, 9, ADDRESSES)
    const content = joinBytes(...Object.values(partsOf(card, ada)))
    expect(card.content).toEqual(content)
    const signed = card.bytes.subarray(4, card.bytes.length - 68)
    expect(verifyMessage(decodePublicKey(ada.publicKeyBytes), signed)).toEqual(content)
    expect(verifyEd25519(publicKeyOfNodeId(ada.nodeId), content, card.bytes.subarray(-64))).toBe(true)
  })

  it('is one line, and white space around it is ignored', () => {
    const text = formatCard(cardOf(ada))
    expect(text).toMatch(/^parley:card:[A-Za-z0-9_-]+$/)
    expect(parseCard(`\n  ${text}\t\r\n`).id).toBe('ada')
  })

  it('may list no address, and up to eight long ones', () => {
    expect(parseCard(formatCard(cardOf(ada, 1, []))).addresses).toEqual([])
    const name = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`
    const eight = Array.from({ length: 8 }, (_, port) => `/dns4/${name}/tcp/${65_520 + port}`)
    const card = cardOf(ada, 1, eight)
    expect(card.bytes.length).toBeLessThanOrEqual(CARD_BYTES_MAX)
    expect(parseCard(formatCard(card)).addresses).toEqual(eight)
  })

  it('is not made with addresses that a card cannot list', async () => {
    const nine = Array.from({ length: 9 }, (_, port) => `/ip4/192.0.2.7/tcp/${1 + port}`)
    const wrong = [
      nine,
      ['/ip4/0.0.0.0/tcp/1'],
      ['/ip6/0::1/tcp/1'],
      ['/dns/A/tcp/1'],
      ['/dns/a/tcp/1', '/dns/a/tcp/1'],
      ['x']
    ]
    for (const addresses of wrong) expect(await codeOf(() => cardOf(ada, 1, addresses))).toBe('ADDRESS_INVALID')
  })

  it('is the same as another with other signatures of the same content', () => {
    expect(isSameCard(cardOf(ada), cardOf(ada))).toBe(true)
    expect(isSameCard(cardOf(ada), cardOf(ada, 2))).toBe(false)
  })

  it('keeps to itself when the bytes that it was read from change', () => {
    const bytes = Buffer.from(cardOf(ada).bytes)
    const card = decodeCard(bytes)
    bytes.fill(0)
    expect(decodeCard(card.bytes)).toEqual(card)
  })

  it('with an optional hash of a next key is read', () => {
    const next = new Uint8Array(32).fill(7)
    expect(decodeCard(withPart('next', lengthPrefixed(next))).next).toEqual(next)
  })
})

describe('a card is refused, with nothing said but CARD_INVALID,', () => {
  const { bytes } = cardOf(ada, 7, ADDRESSES)

  it('when any one bit of it is flipped', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (position, bit) => {
        const flipped = bytes.slice()
        flipped[position] = (flipped[position] ?? 0) ^ (1 << bit)
        expect(() => decodeCard(flipped)).toThrow(expect.objectContaining({ code: 'CARD_INVALID' }))
      }),
      { numRuns: 400 }
    )
  })

  it('when it is cut, continued, or anything else at all', () => {
    const anything = fc.oneof(
      fc.nat(bytes.length - 1).map(length => bytes.slice(0, length)),
      fc.uint8Array({ minLength: 1, maxLength: 40 }).map(tail => joinBytes(bytes, tail)),
      fc.uint8Array({ maxLength: 600 })
    )
    fc.assert(
      fc.property(anything, changed => {
        expect(() => decodeCard(changed)).toThrow(expect.objectContaining({ code: 'CARD_INVALID' }))
      })
    )
    expect(() => decodeCard(new Uint8Array(CARD_BYTES_MAX + 1))).toThrow(
      expect.objectContaining({ code: 'CARD_INVALID' })
    )
  })

  it('when its text is not exactly that of a card', async () => {
    const text = formatCard(cardOf(ada))
    const encoded = text.slice(CARD_PREFIX.length)
    const texts = [
      '',
      encoded,
      'parley:card:',
      `PARLEY:CARD:${encoded}`,
      `parley:card: ${encoded}`,
      `${text}=`,
      `${text}!`,
      `${text} x`,
      `${text.slice(0, 40)}\n${text.slice(40)}`,
      `${CARD_PREFIX}${encoded.replaceAll('A', '+')}`,
      `${' '.repeat(9_000)}${text}`,
      `${CARD_PREFIX}${'A'.repeat(8_100)}`,
      `${CARD_PREFIX}${'A'.repeat(10_000_000)}`
    ]
    for (const changed of texts) expect(await codeOf(() => parseCard(changed))).toBe('CARD_INVALID')
  })

  it('when its text spells the same bytes in another way', async () => {
    // Bits that base64url leaves over must be zero: there are some unless the bytes fill the last group of four characters.
    const lines = Array.from({ length: 32 }, (_, port) =>
      formatCard(cardOf(ada, 1, [`/dns/${'a'.repeat(port + 1)}/tcp/1`]))
    )
    const line = lines.find(text => text.length % 4 !== 0) ?? ''
    const last = line.at(-1) ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const other = alphabet[alphabet.indexOf(last) ^ 1] ?? ''
    expect(Buffer.from(line.slice(12, -1) + other, 'base64url')).toEqual(Buffer.from(line.slice(12), 'base64url'))
    expect(await codeOf(() => parseCard(line.slice(0, -1) + other))).toBe('CARD_INVALID')
  })

  it('when one of the keys that signed is not the one that it names', async () => {
    const parts = partsOf(cardOf(ada), ada)
    const content = joinBytes(...Object.values(parts))
    const byAda = lengthPrefixed(ada.signStatement(content))
    const byAdasNode = lengthPrefixed(ada.signAsNode(content))
    expect(decodeCard(joinBytes(byAda, byAdasNode)).id).toBe('ada')
    const wrong = [
      joinBytes(lengthPrefixed(grace.signStatement(content)), byAdasNode),
      joinBytes(byAda, lengthPrefixed(grace.signAsNode(content))),
      joinBytes(byAda, lengthPrefixed(ada.signAsNode(joinBytes(content, Uint8Array.of(0))))),
      signedCard(joinBytes(...Object.values({ ...parts, publicKey: lengthPrefixed(grace.publicKeyBytes) }))),
      signedCard(joinBytes(...Object.values({ ...parts, nodeId: lengthPrefixed(nodeIdBytes(grace.nodeId)) })))
    ]
    for (const changed of wrong) expect(await codeOf(() => decodeCard(changed))).toBe('CARD_INVALID')
  })

  it('when it is rightly signed and one of its fields has a wrong form', async () => {
    const wrong: readonly (readonly [string, Uint8Array])[] = [
      ['label', textBytes('parley/card/v2\0')],
      ['label', textBytes('parley/succession/v1\0')],
      ['id', lengthPrefixed(textBytes(''))],
      ['id', lengthPrefixed(textBytes('a\u202eb'))],
      ['id', lengthPrefixed(textBytes('e\u0301'))],
      ['id', lengthPrefixed(textBytes('a'.repeat(65)))],
      ['id', lengthPrefixed(Uint8Array.of(0xff))],
      ['id', lengthPrefixed(joinBytes(Uint8Array.of(0xef, 0xbb, 0xbf), textBytes('ada')))],
      ['publicKey', lengthPrefixed(new Uint8Array(45))],
      ['publicKey', lengthPrefixed(ada.publicKeyBytes.slice(1))],
      ['nodeId', lengthPrefixed(nodeIdBytes(ada.nodeId).slice(1))],
      ['boxKey', lengthPrefixed(new Uint8Array(31))],
      ['addresses', addressPart('/ip4/192.0.2.7/udp/1')],
      ['addresses', addressPart('/ip4/0.0.0.0/tcp/1')],
      ['addresses', addressPart('/dns/A/tcp/1')],
      ['addresses', addressPart('/dns/a/tcp/1', '/dns/a/tcp/1')],
      ['addresses', addressPart(...Array.from({ length: 9 }, (_, port) => `/dns/a/tcp/${port + 1}`))],
      ['addresses', lengthPrefixed(Uint8Array.of(0, 0, 0))],
      ['lineage', lengthPrefixed(new Uint8Array(31))],
      ['serial', lengthPrefixed(new Uint8Array(8).fill(0xff))],
      ['serial', lengthPrefixed(Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0))],
      ['serial', lengthPrefixed(new Uint8Array(7))],
      ['time', lengthPrefixed(new Uint8Array(8).fill(0xff))],
      ['next', lengthPrefixed(new Uint8Array(31))],
      ['next', joinBytes(lengthPrefixed(new Uint8Array(0)), Uint8Array.of(0))],
      ['next', new Uint8Array(0)]
    ]
    for (const [part, changed] of wrong)
      expect(await codeOf(() => decodeCard(withPart(part, changed)))).toBe('CARD_INVALID')
  })

  it('when its Themis key is rightly signed with, but given as an uncompressed point', async () => {
    const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))
    const identity = decodePrivateKey(bytesOf('UkVDMgAAAC2peDXeAEmq0EKvhaGpPo0e8d3LZ87YMJfASQue0nfBLRaiARP6'))
    const uncompressed = bytesOf(
      'VUVDMgAAAE3keo/8BF9/vZHs2wGRKtCUYOTv2R0j/IyJlZBuFx23VO0RCc9dcEdWWbZKYVwwHZzsMho1of+sjwmzp1O1ZwtZyQAn8Po='
    )
    expect(decodePublicKey(uncompressed).toPoint().slice(1, 33)).toEqual(identity.toPublicKey().toPoint().slice(1))
    const nodeSeed = ada.nodeSeed()
    const keyring = new Keyring({
      id: 'ada',
      createdAt: 1,
      lineage: ada.lineage,
      identity,
      nodeSeed,
      boxSeed: nodeSeed,
      ...createOtherKeys(seededRandomBytes('other keys'))
    })
    const parts = partsOf(cardOf(keyring), keyring)
    const compressed = joinBytes(...Object.values(parts))
    const content = joinBytes(...Object.values({ ...parts, publicKey: lengthPrefixed(uncompressed) }))
    expect(decodeCard(signedCard(compressed, keyring)).id).toBe('ada')
    expect(await codeOf(() => decodeCard(signedCard(content, keyring)))).toBe('CARD_INVALID')
  })

  it('when its Secure Message has something after the signature', async () => {
    const content = cardOf(ada).content
    const signed = joinBytes(ada.signStatement(content), Uint8Array.of(0))
    expect(verifyMessage(ada.publicKey, signed)).toEqual(content)
    const changed = joinBytes(lengthPrefixed(signed), lengthPrefixed(ada.signAsNode(content)))
    expect(await codeOf(() => decodeCard(changed))).toBe('CARD_INVALID')
  })
})
