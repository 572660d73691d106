import { describe, expect, test } from 'vitest'
import {
  drawWords,
  formatCode,
  formatLink,
  LINK_PREFIX,
  parseCode,
  parseLink,
  parseTarget
} from '../../../src/peer/pairing/code.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { codeOf, identityNamed } from '../../identity/identities.ts'

const { nodeId } = identityNamed('alice')
const address = '/ip4/192.0.2.7/tcp/7390'
const secret = Uint8Array.from({ length: 16 }, (_, at) => at)

describe('a code', () => {
  test('is read as it was drawn, a thousand times', () => {
    const randomBytes = seededRandomBytes('codes')
    for (let n = 0; n < 1_000; n++) {
      const words = drawWords(randomBytes)
      expect(parseCode(formatCode('07', words))).toEqual({
        form: 'code',
        nameplate: '07',
        secret: new Uint8Array(Buffer.from(words))
      })
    }
  })

  test('draws every word of the list about as often', () => {
    const randomBytes = seededRandomBytes('spread')
    const seen = new Set(Array.from({ length: 40_000 }, () => drawWords(randomBytes).slice(0, 6)))
    expect(seen.size).toBeGreaterThan(5_000)
  })

  test('takes capitals and spaces, and words of the list that have a hyphen', () => {
    const spoken = parseCode('  42 Ozone   CACTUS\n')
    expect(spoken).toEqual(parseCode('42-ozone-cactus'))
    expect(parseCode('42-t-shirt-yo-yo').nameplate).toBe('42')
  })

  test.each([
    '',
    '42',
    '42-ozone',
    '42-ozone-cactusx',
    '4-ozone-cactus',
    '42ozone-cactus',
    '42-ozone-cactus-abacus',
    'x'.repeat(10_000)
  ])('is refused before it costs a try: %j', async text => {
    expect(await codeOf(() => parseCode(text))).toBe('CODE_INVALID')
  })
})

describe('a link', () => {
  test('holds nameplate, secret, node ID and addresses', () => {
    const link = formatLink('42', secret, { nodeId, addresses: [address, '/ip6/2001:db8::1/tcp/1'] })
    expect(parseLink(` ${link}\n`)).toEqual({
      form: 'link',
      nameplate: '42',
      secret,
      target: { nodeId, addresses: [address, '/ip6/2001:db8::1/tcp/1'] }
    })
  })

  test('with any character changed is refused, or is another link', async () => {
    const link = formatLink('42', secret, { nodeId, addresses: [address] })
    for (let at = 0; at < link.length; at++) {
      const changed = `${link.slice(0, at)}${link[at] === 'A' ? 'B' : 'A'}${link.slice(at + 1)}`
      let text: string | undefined
      try {
        const { nameplate, secret, target } = parseLink(changed)
        text = formatLink(nameplate, secret, { addresses: target.addresses, nodeId: target.nodeId as typeof nodeId })
      } catch {
        continue // refused
      }
      expect(text).toBe(changed)
    }
  })

  test.each(['', LINK_PREFIX, `${LINK_PREFIX}AQ`, 'parley:card:AAAA', `${LINK_PREFIX}${'A'.repeat(100_000)}`])(
    'is refused: %j',
    async text => {
      expect(await codeOf(() => parseLink(text))).toBe('CODE_INVALID')
    }
  )
})

describe('where the inviter listens', () => {
  test('is a multiaddr with a node ID or without', () => {
    expect(parseTarget(address)).toEqual({ nodeId: undefined, addresses: [address] })
    expect(parseTarget(`${address}/p2p/${nodeId}`)).toEqual({ nodeId, addresses: [address] })
  })

  test.each([
    '',
    'host:1',
    '/ip4/1.2.3.4/udp/5',
    `${address}/p2p/xyz`,
    `${address}/p2p/${nodeId}/x`,
    '/ip4/0.0.0.0/tcp/1'
  ])('is refused where it cannot be dialled: %j', async text => {
    expect(await codeOf(() => parseTarget(text))).toBe('ADDRESS_INVALID')
  })
})
