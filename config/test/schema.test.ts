import { readFileSync } from 'node:fs'
import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { isTcpMultiaddr, makeConfig, nearest, SETTINGS } from '../src/index.ts'

const example = readFileSync(new URL('../examples/config.toml', import.meta.url), 'utf8')

describe('the schema', () => {
  it('gives every setting a reason, and every number a unit and bounds around its default', () => {
    const config = makeConfig() as unknown as Record<string, Record<string, unknown>>
    for (const { key, path, kind, description, unit, min, max } of SETTINGS) {
      expect(description.length, key).toBeGreaterThan(10)
      if (kind !== 'number') continue
      expect(unit, key).toMatch(/^(bytes|milliseconds|count)$/)
      const value = config[path[0]]?.[path[1]] as number
      expect(value >= (min ?? Number.NaN) && value <= (max ?? Number.NaN), key).toBe(true)
    }
  })

  it.each(['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/7390', '/dns4/example.org/tcp/1', '/dns/a/tcp/65535'])(
    'takes %s',
    address => {
      expect(isTcpMultiaddr(address)).toBe(true)
    }
  )

  it.each([
    '/ip4/0.0.0.0/udp/7390',
    '/ip4/256.0.0.1/tcp/1',
    '/ip4/::1/tcp/1',
    '/ip6/1.2.3.4/tcp/1',
    '/ip4/1.2.3.4/tcp/65536',
    '/ip4/1.2.3.4/tcp/01',
    '/ip4/1.2.3.4/tcp/1/ws',
    '/ip4/1.2.3.4/tcp/1/p2p/12D3KooW',
    '/dns4/-a/tcp/1',
    '/dns4/a b/tcp/1',
    '/unix/tmp',
    ''
  ])('refuses the address %j', address => {
    expect(isTcpMultiaddr(address)).toBe(false)
  })
})

describe('the example file', () => {
  it('is a right configuration as it stands', () => {
    expect(makeConfig(parse(example) as object)).toEqual(makeConfig())
  })

  it('shows every setting with its default when the settings are uncommented', () => {
    const all = parse(example.replace(/^# (\w+ = )/gm, '$1')) as Record<string, Record<string, unknown>>
    const shown = Object.entries(all).flatMap(([section, members]) =>
      typeof members === 'object' ? Object.keys(members).map(name => `${section}.${name}`) : []
    )
    expect(shown).toEqual(SETTINGS.map(setting => setting.key))
    const config = makeConfig(all as object)
    const samples = { identity: {}, node: { ...config.node, id: undefined }, socket: { mode: config.socket.mode } }
    expect({ ...config, ...samples }).toEqual({ ...makeConfig(), node: { ...makeConfig().node, id: undefined } })
  })
})

describe('nearest', () => {
  it('finds what was meant, and nothing where nothing is near', () => {
    expect(nearest('sned', ['send', 'listen', 'status'])).toBe('send')
    expect(nearest('Listen', ['send', 'listen'])).toBe('listen')
    expect(nearest('frobnicate', ['send', 'listen'])).toBeUndefined()
  })
})
