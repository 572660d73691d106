import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Client, MessageStream } from '@parley/client-sdk'
import { Testnet } from '@parley/daemon/testnet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDaemon } from '../support/daemon-process.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until, within } from '../support/until.ts'
import { processesOf } from './traces.ts'

describe('a test network of four', () => {
  let net: Testnet
  const clients = new Map<string, Client>()
  const streams = new Map<string, MessageStream>()
  const client = (name: string): Client => clients.get(name) as Client

  beforeAll(async () => {
    net = await Testnet.start({ nodes: 4 })
    for (const { name } of net.nodes) {
      const connected = await net.node(name).connect()
      clients.set(name, connected)
      const stream = connected.messages({ consumer: 'test' })
      await stream.ready()
      streams.set(name, stream)
    }
  })
  afterAll(() => net?.stop())

  async function nextText(name: string): Promise<string | undefined> {
    const next = (streams.get(name) as MessageStream).next()
    return (await within(`a message for ${name}`, 10_000, next)).value?.text()
  }

  async function passes(from: string, to: string, text: string): Promise<void> {
    await client(from).send(to, text, { durable: false })
    expect(await nextText(to)).toBe(text)
  }

  const session = async (of: string, peer: string) => (await client(of).peers.get(peer)).session

  it('has everyone in session with everyone, by way of the links', async () => {
    for (const { name } of net.nodes) {
      const peers = await client(name).peers.list()
      expect(peers.map(peer => peer.name).sort()).toEqual(['n1', 'n2', 'n3', 'n4'].filter(other => other !== name))
      for (const peer of peers) {
        expect(peer.session.state).toBe('established')
        if (peer.session.openedBy === 'us') expect(peer.session.address).toBe(peer.addressOverride?.[0])
      }
    }
    expect(net.links()).toHaveLength(6)
  })

  it('carries messages both ways, in order', async () => {
    const texts = Array.from({ length: 100 }, (_, index) => `message ${index}`)
    await Promise.all(texts.map(text => client('n1').send('n2', text, { durable: false })))
    for (const text of texts) expect(await nextText('n2')).toBe(text)
    await passes('n2', 'n1', 'back')
  })

  it('ends a session at once when its link is cut, and leaves the others alone', async () => {
    const before = await session('n3', 'n4')
    net.cut('n1', 'n2')
    await until('n1 to notice', async () => (await session('n1', 'n2')).state !== 'established')
    await expect(client('n1').send('n2', 'lost', { durable: false })).rejects.toMatchObject({ code: 'PEER_OFFLINE' })
    await passes('n1', 'n3', 'another way')
    expect(await session('n3', 'n4')).toEqual(before)
    expect(net.link('n2', 'n1').state).toBe('cut')

    net.heal('n1', 'n2')
    await net.ready()
    await passes('n1', 'n2', 'healed')
  })

  it('swallows everything on a silently cut link until it is healed', async () => {
    const before = await session('n1', 'n2')
    net.cut('n1', 'n2', { silent: true })
    await client('n1').send('n2', 'swallowed', { durable: false })
    await passes('n1', 'n3', 'another way')
    expect(await session('n1', 'n2')).toEqual(before)

    net.heal()
    await net.ready()
    expect((await session('n1', 'n2')).since).toBeGreaterThan(before.since)
    // What was swallowed does not come after all.
    await passes('n1', 'n2', 'healed')
  })

  it('delays what passes a slow link, and nothing else', async () => {
    net.delay('n1', 'n2', 400)
    const startedAtMs = performance.now()
    await client('n1').send('n2', 'slow', { durable: false })
    const slow = nextText('n2').then(text => ({ text, afterMs: performance.now() - startedAtMs }))
    await passes('n1', 'n3', 'fast')
    const fastAfterMs = performance.now() - startedAtMs
    const { text, afterMs } = await slow
    expect(text).toBe('slow')
    expect(afterMs).toBeGreaterThanOrEqual(399)
    expect(fastAfterMs).toBeLessThan(afterMs)
    net.delay('n1', 'n2', 0)
    expect(net.link('n1', 'n2').delayMs).toBe(0)
  })

  it('takes a node back that was killed and started again', async () => {
    const { pid } = net.node('n3')
    await net.node('n3').kill()
    expect(await net.node('n3').status()).toMatchObject({ state: 'down', pid: null, ended: 'SIGKILL' })
    await net.node('n3').start()
    expect(net.node('n3').pid).not.toBe(pid)
    await net.ready()
    await client('n1').send('n3', 'again', { durable: false })
    expect(await nextText('n3')).toBe('again')
  })

  it('takes a node back within 5 s that was killed, cut off silently, and started by hand', async () => {
    net.cut('n2', 'n4', { silent: true })
    await net.node('n4').kill()
    await using daemon = await startDaemon({ home: net.node('n4').home })
    const readyAtMs = performance.now()
    net.heal('n2', 'n4')
    await net.ready({ timeoutMs: 5_000 })
    expect(performance.now() - readyAtMs).toBeLessThan(5_000)
    expect(await net.node('n4').status()).toMatchObject({ state: 'up', pid: daemon.pid, sessions: 3 })
    await passes('n2', 'n4', 'by hand')
    await net.node('n4').stop()
    expect(await daemon.exited).toEqual({ code: 0, signal: null })
    await net.node('n4').start()
    await net.ready()
  })

  it('says which node or link there is not', async () => {
    expect(() => net.node('n5')).toThrow(expect.objectContaining({ code: 'NO_SUCH_NODE' }))
    expect(() => net.cut('n1', 'n1')).toThrow(expect.objectContaining({ code: 'NO_SUCH_NODE' }))
    await expect(net.node('n1').start()).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
  })

  it('says who misses whom', async () => {
    net.cut('n1', 'n4')
    await until('n1 to notice', async () => (await session('n1', 'n4')).state !== 'established')
    net.heal('n1', 'n4')
    net.delay('n1', 'n4', 60_000)
    await expect(net.ready({ timeoutMs: 200 })).rejects.toMatchObject({
      code: 'TIMED_OUT',
      message: expect.stringMatching(/n1 with n4/)
    })
  })

  it('leaves no process and no file', async () => {
    expect(processesOf(net.dir)).toHaveLength(4)
    await net.stop()
    expect(processesOf(net.dir)).toEqual([])
    expect(existsSync(net.dir)).toBe(false)
  })
})

describe('a test network', () => {
  it('links all to the first, several to a process, in a folder that is there', async () => {
    using folder = makeTempHome()
    const names = ['hub', 'a', 'b', 'c', 'd']
    await using net = await Testnet.start({ names, topology: 'star', perProcess: 3, dir: folder.path })
    expect(net.links().map(({ a, b }) => [a, b])).toEqual(['a', 'b', 'c', 'd'].map(name => ['hub', name]))
    expect(new Set(net.nodes.map(({ pid }) => pid)).size).toBe(2)
    const [hub, c] = [await net.node(0).connect(), await net.node('c').connect()]
    const received = c.messages({ consumer: 'test' })
    await hub.send('c', 'hello', { durable: false })
    expect((await received.next()).value?.text()).toBe('hello')

    // One of three stops and starts alone.
    const { pid } = net.node('a')
    await net.node('a').stop()
    expect((await net.node('a').status()).state).toBe('down')
    expect((await net.node('b').status()).state).toBe('up')
    await net.node('a').start()
    expect(net.node('a').pid).toBe(pid)
    await net.ready()

    // Those of one process are killed together.
    await net.node('c').kill()
    expect((await net.node('d').status()).ended).toBe('SIGKILL')
    await Promise.all([net.node('c').start(), net.node('d').start()])
    await net.ready()
    await net.stop()
    expect(processesOf(folder.path)).toEqual([])
    expect(existsSync(folder.path)).toBe(true)
    expect(names.filter(name => existsSync(join(folder.path, name)))).toEqual([])
  })

  it('refuses names that cannot be folders, and homes that are there', async () => {
    using folder = makeTempHome()
    for (const names of [['../up'], ['a', 'A'], ['']]) {
      await expect(Testnet.start({ names, dir: folder.path })).rejects.toMatchObject({ code: 'USAGE' })
    }
    await expect(Testnet.start({ nodes: 0 })).rejects.toMatchObject({ code: 'USAGE' })
    const dir = join(folder.path, 'x'.repeat(100))
    await expect(Testnet.start({ dir })).rejects.toMatchObject({ code: 'SOCKET_PATH_TOO_LONG' })
    expect(readdirSync(folder.path)).toEqual([])
  })

  it('leaves nothing behind when it cannot start', async () => {
    using folder = makeTempHome()
    const dir = join(folder.path, 'net')
    const settings = { 'limits.messageBytesMax': 0 }
    await expect(Testnet.start({ nodes: 1, dir, settings })).rejects.toMatchObject({
      code: 'DAEMON_UNREACHABLE',
      message: expect.stringContaining('messageBytesMax')
    })
    expect(processesOf(dir)).toEqual([])
    expect(existsSync(dir)).toBe(false)
  })
})
