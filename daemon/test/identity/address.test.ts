import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  dialableAddress,
  formatTcpAddress,
  isLoopback,
  isWildcard,
  parseTcpAddress,
  type TcpAddress
} from '../../src/identity/address.ts'

const parsed = (text: string): TcpAddress => {
  const address = parseTcpAddress(text)
  if (address === undefined) throw new Error(`not read: ${text}`)
  return address
}

describe('TCP multiaddrs', () => {
  it('have one canonical text', () => {
    const spellings: readonly (readonly [string, string])[] = [
      ['/ip4/192.0.2.7/tcp/7390', '/ip4/192.0.2.7/tcp/7390'],
      ['/ip6/2001:DB8:0:0::0:1/tcp/1', '/ip6/2001:db8::1/tcp/1'],
      ['/ip6/::FFFF:192.0.2.1/tcp/65535', '/ip6/::ffff:192.0.2.1/tcp/65535'],
      ['/dns/Example.ORG/tcp/7390', '/dns/example.org/tcp/7390'],
      ['/dns4/alice_1/tcp/7390', '/dns4/alice_1/tcp/7390'],
      ['/dns6/a.b/tcp/7390', '/dns6/a.b/tcp/7390']
    ]
    for (const [given, canonical] of spellings) expect(formatTcpAddress(parsed(given))).toBe(canonical)
  })

  it('are read by libp2p with the same meaning', () => {
    const host = fc.oneof(
      fc.ipV4().map(ip => `/ip4/${ip}`),
      fc.ipV6().map(ip => `/ip6/${ip}`),
      fc.domain().map(name => `/dns/${name}`)
    )
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (start, port) => {
        const address = parseTcpAddress(`${start}/tcp/${port}`)
        if (address === undefined) return
        const text = formatTcpAddress(address)
        expect(formatTcpAddress(parsed(text))).toBe(text)
        expect(multiaddr(text).bytes).toEqual(multiaddr(`${start}/tcp/${port}`.toLowerCase()).bytes)
      })
    )
  })

  it('are refused when they are anything else', () => {
    const texts = [
      '',
      '/',
      'ip4/192.0.2.7/tcp/1',
      '/ip4/192.0.2.7/udp/1',
      '/ip4/192.0.2.7/tcp',
      '/ip4/192.0.2.7/tcp/',
      '/ip4/192.0.2.7/tcp/01',
      '/ip4/192.0.2.7/tcp/65536',
      '/ip4/192.0.2.7/tcp/-1',
      '/ip4/192.0.2.7/tcp/1/',
      '/ip4/192.0.2.7/tcp/1/ws',
      '/ip4/192.0.2.7/tcp/1/p2p/12D3KooWMc4CEd7g5AzHBXdyhz8LFQ3ZgiS91946PNo6YTuktsEh',
      '/ip4/192.0.2.256/tcp/1',
      '/ip4/0300.0.2.1/tcp/1',
      '/ip6/fe80::1%eth0/tcp/1',
      '/ip6/192.0.2.1/tcp/1',
      '/dns/-a/tcp/1',
      '/dns/a..b/tcp/1',
      '/dns/a b/tcp/1',
      '/dns/ä/tcp/1',
      `/dns/${'a'.repeat(64)}/tcp/1`,
      `/dns/${'a.'.repeat(127)}ab/tcp/1`,
      '/unix/tmp/tcp/1',
      '/__proto__/a/tcp/1'
    ]
    for (const text of texts) expect(parseTcpAddress(text)).toBeUndefined()
  })

  it('can be dialled unless they are wildcards or have no port', () => {
    expect(dialableAddress('/ip6/0::1/tcp/7390')).toBe('/ip6/::1/tcp/7390')
    for (const text of ['/ip4/0.0.0.0/tcp/1', '/ip6/0::0/tcp/1', '/ip4/192.0.2.1/tcp/0', 'x']) {
      expect(dialableAddress(text)).toBeUndefined()
    }
  })

  it('are told apart by what they reach', () => {
    expect(
      ['/ip4/0.0.0.0/tcp/1', '/ip6/::/tcp/1', '/ip4/127.0.0.1/tcp/1'].map(text => isWildcard(parsed(text)))
    ).toEqual([true, true, false])
    expect(
      ['/ip4/127.9.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip4/192.0.2.1/tcp/1'].map(text => isLoopback(parsed(text)))
    ).toEqual([true, true, false])
  })
})
