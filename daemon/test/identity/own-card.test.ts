import { beforeEach, describe, expect, it } from 'vitest'
import { formatCard } from '../../src/identity/card.ts'
import { textBytes } from '../../src/identity/fields.ts'
import { cardAddresses, OwnCard } from '../../src/identity/own-card.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { Checkpoint } from '../peer/directory-support.ts'
import { testSealer } from '../store/test-sealer.ts'
import { codeOf, identityNamed } from './identities.ts'

const keyring = identityNamed('ada')
const HERE = ['/ip4/192.0.2.7/tcp/7390']
const THERE = ['/ip4/192.0.2.8/tcp/7390']

let store: Checkpoint
let now: number

beforeEach(async () => {
  store = new Checkpoint(new MemoryStore())
  await store.open()
  now = 1_000
})

const openCard = (of = keyring): OwnCard =>
  new OwnCard({ store, sealer: testSealer(), keyring: of, clock: { wallMs: () => now } })

describe('the own card', () => {
  it('stays the same text until what it says changes, over restarts too', async () => {
    const own = openCard()
    expect(own.current).toBeUndefined()
    const first = await own.update(HERE)
    now = 2_000
    expect(await own.update(HERE)).toBe(first)
    const restarted = openCard()
    expect(formatCard(await restarted.update(HERE))).toBe(formatCard(first))
    expect(restarted.current?.bytes).toEqual(first.bytes)
    expect(store.batches).toHaveLength(1)
  })

  it('gets a higher serial with every change of addresses, order or identity, even when the clock goes back', async () => {
    const changes = [HERE, THERE, HERE, [...HERE, ...THERE], [...THERE, ...HERE], []]
    const serials: number[] = []
    for (const addresses of changes) {
      const card = await openCard().update(addresses)
      expect(card.addresses).toEqual(addresses)
      expect(card.time).toBe(now)
      serials.push(card.serial)
      now -= 100
    }
    serials.push((await openCard(identityNamed('grace')).update([])).serial)
    for (const [position, serial] of serials.slice(1).entries()) expect(serial).toBeGreaterThan(serials[position] ?? 0)
  })

  it('made with an empty store still has a higher serial than any before', async () => {
    const before = await openCard().update(HERE)
    store = new Checkpoint(new MemoryStore())
    await store.open()
    now += 1
    expect((await openCard().update(THERE)).serial).toBeGreaterThan(before.serial)
  })

  it('is on disk before it is shown, and stays what it was when it cannot be written', async () => {
    const own = openCard()
    const first = await own.update(HERE)
    store.fail('before')
    expect(await codeOf(() => own.update(THERE))).toBe('STORE_UNAVAILABLE')
    expect(own.current).toBe(first)
    store.fail(undefined)
    const [second, third] = await Promise.all([own.update(THERE), own.update(HERE)])
    expect(third.serial).toBeGreaterThan(second.serial)
    expect(own.current).toBe(third)
    expect(store.allSynced).toBe(true)
  })

  it('that is damaged in the store is not passed over', async () => {
    const { bytes } = await openCard().update(HERE)
    const value = bytes.slice()
    value[50] = (value[50] ?? 0) ^ 1
    const key = textBytes('own-card')
    for (const stored of [testSealer().seal('meta', key, value), bytes]) {
      await store.batch([{ type: 'put', sublevel: 'meta', key, value: stored }], { sync: true })
      expect(await codeOf(() => openCard())).toBe('RECORD_DAMAGED')
    }
  })
})

describe('addresses of a card', () => {
  const interfaces = [
    { address: '127.0.0.1', family: 'IPv4' },
    { address: '192.0.2.7', family: 'IPv4' },
    { address: '10.0.0.7', family: 'IPv4' },
    { address: '::1', family: 'IPv6' },
    { address: 'fe80::1', family: 'IPv6' },
    { address: '2001:db8::7', family: 'IPv6' }
  ] as const

  it('are those that the owner announces, when there are any', async () => {
    const sources = { announce: ['/dns/Ada.example/tcp/7390', '/dns/ada.example/tcp/7390'], listen: HERE, interfaces }
    expect(cardAddresses(sources)).toEqual(['/dns/ada.example/tcp/7390'])
    const wrong = [['x'], ['/ip4/0.0.0.0/tcp/1'], Array.from({ length: 9 }, (_, port) => `/dns/a/tcp/${port + 1}`)]
    for (const announce of wrong) {
      expect(await codeOf(() => cardAddresses({ ...sources, announce }))).toBe('ADDRESS_INVALID')
    }
  })

  it('are those listened on, wildcards expanded to the interfaces of their family', () => {
    const listen = ['/ip4/0.0.0.0/tcp/7390', '/ip6/::/tcp/7391']
    expect(cardAddresses({ announce: [], listen, interfaces })).toEqual([
      '/ip4/192.0.2.7/tcp/7390',
      '/ip4/10.0.0.7/tcp/7390',
      '/ip6/2001:db8::7/tcp/7391'
    ])
  })

  it('list loopback only where nothing else is listened on', () => {
    const both = ['/ip4/127.0.0.1/tcp/7390', ...HERE]
    expect(cardAddresses({ announce: [], listen: both, interfaces })).toEqual(HERE)
    expect(cardAddresses({ announce: [], listen: both.slice(0, 1), interfaces })).toEqual(['/ip4/127.0.0.1/tcp/7390'])
    const alone = interfaces.slice(0, 1)
    expect(cardAddresses({ announce: [], listen: ['/ip4/0.0.0.0/tcp/7390'], interfaces: alone })).toEqual([
      '/ip4/127.0.0.1/tcp/7390'
    ])
  })

  it('are distinct, can be dialled, and are at most eight', () => {
    const listen = ['/ip4/0.0.0.0/tcp/7390', ...HERE, '/ip4/192.0.2.7/tcp/0', '/ip4/192.0.2.7/udp/1']
    expect(cardAddresses({ announce: [], listen, interfaces: interfaces.slice(0, 2) })).toEqual(HERE)
    const many = Array.from({ length: 12 }, (_, last) => ({ address: `192.0.2.${last + 1}`, family: 'IPv4' }) as const)
    expect(cardAddresses({ announce: [], listen, interfaces: many })).toHaveLength(8)
    expect(cardAddresses({ announce: [], listen: [], interfaces })).toEqual([])
  })
})
