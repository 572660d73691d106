import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SystemClock } from '../../src/actor/system-clock.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { LinkProxy } from '../../src/testnet/link.ts'

/** A socket whose bytes and end are kept. */
class Peer {
  readonly socket: Socket
  readonly #closed = Promise.withResolvers<'closed' | 'reset'>()
  readonly #ended = Promise.withResolvers<void>()
  #waits: (() => void)[] = []
  #chunks: Buffer[] = []
  byteLength = 0
  hasClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    let hasError = false
    socket.on('error', () => {
      hasError = true
    })
    socket.on('data', chunk => {
      this.#chunks.push(chunk)
      this.byteLength += chunk.byteLength
      for (const wait of this.#waits) wait()
    })
    socket.on('end', () => this.#ended.resolve())
    socket.on('close', () => {
      this.hasClosed = true
      this.#closed.resolve(hasError ? 'reset' : 'closed')
    })
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  get whenClosed(): Promise<'closed' | 'reset'> {
    return this.#closed.promise
  }

  get whenEnded(): Promise<void> {
    return this.#ended.promise
  }

  whenBytes(bytes: number): Promise<void> {
    return new Promise(resolve => {
      const check = () => {
        if (this.byteLength >= bytes) resolve()
      }
      this.#waits.push(check)
      check()
    })
  }
}

describe('a link', () => {
  let server: Server
  let link: LinkProxy
  let arrivals: Peer[]
  let waiting: ((peer: Peer) => void)[]
  const dialled: Peer[] = []

  beforeEach(async () => {
    arrivals = []
    waiting = []
    server = createServer({ allowHalfOpen: true }, socket => {
      const peer = new Peer(socket)
      arrivals.push(peer)
      waiting.shift()?.(peer)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    await open(new SystemClock())
  })
  afterEach(async () => {
    for (const { socket } of [...dialled.splice(0), ...arrivals]) socket.destroy()
    await link.close()
    await new Promise(resolve => server.close(resolve))
  })

  async function open(clock: SystemClock | VirtualClock): Promise<void> {
    link = await LinkProxy.open({
      targetHost: '127.0.0.1',
      targetPort: (server.address() as { port: number }).port,
      clock
    })
  }

  async function dial(): Promise<Peer> {
    const peer = new Peer(connect({ host: '127.0.0.1', port: link.port, allowHalfOpen: true }))
    dialled.push(peer)
    await Promise.race([new Promise<void>(resolve => peer.socket.once('connect', resolve)), peer.whenClosed])
    return peer
  }

  async function pair(): Promise<{ near: Peer; far: Peer }> {
    const arrived = new Promise<Peer>(resolve => waiting.push(resolve))
    const near = await dial()
    return { near, far: await arrived }
  }

  it('passes bytes and ends both ways, and counts them', async () => {
    const { near, far } = await pair()
    near.socket.end('question')
    await far.whenEnded
    expect(far.text).toBe('question')
    far.socket.end('an answer')
    expect(await near.whenClosed).toBe('closed')
    expect(await far.whenClosed).toBe('closed')
    expect(near.text).toBe('an answer')
    expect(link.counters).toEqual({ connectionCount: 1, forwardBytes: 8, backwardBytes: 9, swallowedBytes: 0 })
    expect(link.address).toBe(`/ip4/127.0.0.1/tcp/${link.port}`)
  })

  it('passes many mebibytes to a slow reader without holding them all', async () => {
    const { near, far } = await pair()
    far.socket.pause()
    const sent = Buffer.alloc(32 * 1024 * 1024, 'parley')
    near.socket.write(sent)
    await expect.poll(() => link.counters.forwardBytes).toBeGreaterThan(0)
    expect(link.counters.forwardBytes).toBeLessThan(sent.byteLength)
    far.socket.resume()
    await far.whenBytes(sent.byteLength)
    expect(link.counters.forwardBytes).toBe(sent.byteLength)
  })

  it('passes a reset on as a reset', async () => {
    const { near, far } = await pair()
    far.socket.resetAndDestroy()
    expect(await near.whenClosed).toBe('reset')
  })

  it('resets the dialler where nothing listens behind it', async () => {
    await new Promise(resolve => server.close(resolve))
    const near = await dial()
    expect(await near.whenClosed).toBe('reset')
    server = createServer()
    await new Promise<void>(resolve => server.listen(0, resolve))
  })

  it('resets what is open and what is new while it is cut, and passes what comes after', async () => {
    const [open, halfOpen] = [await pair(), await pair()]
    halfOpen.near.socket.end()
    await halfOpen.far.whenEnded
    link.cut()
    for (const peer of [open.near, open.far, halfOpen.near]) expect(await peer.whenClosed).toBe('reset')
    // Node does not watch a socket whose other side has ended: it learns when it writes.
    halfOpen.far.socket.write('x')
    expect(await halfOpen.far.whenClosed).toBe('reset')
    expect(await (await dial()).whenClosed).toBe('reset')
    link.heal()
    const again = await pair()
    again.near.socket.write('again')
    await again.far.whenBytes(5)
    expect(arrivals).toHaveLength(3)
  })

  it('swallows both ways and says nothing while it is cut silently, and resets what lost bytes when it is healed', async () => {
    const [lossy, quiet] = [await pair(), await pair()]
    link.cut({ silent: true })
    lossy.near.socket.write('lost')
    lossy.far.socket.write('lost too')
    await expect.poll(() => link.counters.swallowedBytes).toBe(12)
    const late = await dial()
    late.socket.write('nowhere')
    await expect.poll(() => link.counters.swallowedBytes).toBe(19)
    expect([lossy.near, lossy.far, quiet.near, quiet.far, late].map(peer => [peer.hasClosed, peer.text])).toEqual(
      new Array(5).fill([false, ''])
    )
    expect(link.heal()).toBe(true)
    for (const peer of [lossy.near, lossy.far, late]) expect(await peer.whenClosed).toBe('reset')
    quiet.near.socket.write('whole')
    await quiet.far.whenBytes(5)
    expect(arrivals).toHaveLength(2)
    expect(quiet.far.text).toBe('whole')
  })

  it('says when healing cost no connection that had led anywhere', async () => {
    const { near, far } = await pair()
    link.cut({ silent: true })
    const late = await dial()
    late.socket.write('nowhere')
    await expect.poll(() => link.counters.swallowedBytes).toBe(7)
    expect(link.heal()).toBe(false)
    expect(await late.whenClosed).toBe('reset')
    near.socket.write('whole')
    await far.whenBytes(5)
  })

  it('does not show in a silent cut that one side has left', async () => {
    const [gone, ended] = [await pair(), await pair()]
    link.cut({ silent: true })
    gone.far.socket.resetAndDestroy()
    ended.near.socket.end()
    ended.far.socket.write('x')
    await expect.poll(() => link.counters.swallowedBytes).toBe(1)
    expect([gone.near.hasClosed, ended.far.hasClosed]).toEqual([false, false])
    link.heal()
    expect(await gone.near.whenClosed).toBe('reset')
    expect(await ended.far.whenClosed).toBe('reset')
  })

  it('holds bytes and ends back for the delay, in order, also when the delay shrinks', async () => {
    await link.close()
    const clock = new VirtualClock()
    await open(clock)
    const { near, far } = await pair()
    link.delay(200)
    near.socket.write('first ')
    await expect.poll(() => clock.timerCount).toBe(1)
    await clock.advance(100)
    link.delay(10)
    far.socket.write('backwards')
    await expect.poll(() => clock.timerCount).toBe(2)
    near.socket.end('second')
    await clock.advance(10)
    await near.whenBytes(9)
    expect(link.counters.forwardBytes).toBe(0)
    expect(far.text).toBe('')
    // The end may not have been read by the proxy yet when the first piece comes due.
    while (link.counters.forwardBytes < 12) await clock.advance(10)
    await clock.advance(200)
    await far.whenEnded
    expect(far.text).toBe('first second')
  })

  it('swallows what it was holding back when it is cut silently', async () => {
    await link.close()
    const clock = new VirtualClock()
    await open(clock)
    const { near, far } = await pair()
    link.delay(1_000)
    near.socket.write('held')
    await expect.poll(() => clock.timerCount).toBe(1)
    link.cut({ silent: true })
    expect([clock.timerCount, link.counters.swallowedBytes]).toEqual([0, 4])
    link.heal()
    expect(await near.whenClosed).toBe('reset')
    expect(far.text).toBe('')
  })

  it('frees its port and resets what is open when it is closed', async () => {
    const { near, far } = await pair()
    const { port } = link
    await link.close()
    expect(await near.whenClosed).toBe('reset')
    expect(await far.whenClosed).toBe('reset')
    const refused = new Peer(connect({ host: '127.0.0.1', port }))
    expect(await refused.whenClosed).toBe('reset')
    await open(new SystemClock())
  })
})
