import { connect as connectTcp } from 'node:net'
import { type Client, connect, type NodeStatus } from '@parley/client-sdk'
import { SecureSession } from '@parley/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SystemClock } from '../../daemon/src/actor/system-clock.ts'
import { formatCard, makeCard } from '../../daemon/src/identity/card.ts'
import { createIdentity, type Keyring } from '../../daemon/src/identity/keyring.ts'
import { SESSION_PROTOCOL } from '../../daemon/src/peer/hello.ts'
import { systemRandomBytes } from '../../daemon/src/random.ts'
import { frameParts } from '../../daemon/src/transport/framing.ts'
import { createLibp2pTransport } from '../../daemon/src/transport/libp2p.ts'
import type { ByteStream, NodeId, StreamEnd, Transport } from '../../daemon/src/transport/port.ts'
import { SHIPPED_ADMISSION } from '../../daemon/test/transport/shipped-admission.ts'
import { type DaemonProcess, startDaemon } from '../support/daemon-process.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'

// A real daemon against peers that speak TCP, libp2p and the session protocol over real sockets, each as wrongly as it can.

const clock = new SystemClock()
const home = makeTempHome()
let daemon: DaemonProcess
let client: Client
let mallory: Keyring

const identity = (id: string) => createIdentity({ id, user: 'u', host: 'h', now: 1, randomBytes: systemRandomBytes })
const status = (): Promise<NodeStatus> => client.status()
const counted = async (name: string) => (await status()).counters[name] ?? 0

beforeAll(async () => {
  daemon = await startDaemon({
    home: home.path,
    args: ['--id', 'alice'],
    env: { PARLEY_NODE_PROFILE: 'test', PARLEY_LIMITS_HANDSHAKE_TIMEOUT_MS: '1000' }
  })
  client = await connect({ socket: daemon.socketPath })
  mallory = identity('mallory')
  await client.peers.add(formatCard(makeCard(mallory, { addresses: ['/ip4/127.0.0.1/tcp/1'], serial: 1, time: 1 })))
})

afterAll(async () => {
  await client.close()
  await daemon.stop()
  home.remove()
})

/** Opens a session stream as `keyring`, does `act` on it, and waits for its end. Returns how many bytes came back. */
async function attack(keyring: Keyring, act: (stream: ByteStream) => void): Promise<number> {
  const transport: Transport = await createLibp2pTransport({
    privateKeySeed: keyring.nodeSeed(),
    listen: [],
    admission: SHIPPED_ADMISSION,
    clock
  })
  await transport.start({ admitsNode: () => true, refused: () => {} })
  try {
    const { nodeId, listen } = await status()
    const signal = AbortSignal.timeout(10_000)
    const stream = await transport.dial({
      nodeId: nodeId as NodeId,
      address: listen[0] ?? '',
      protocol: SESSION_PROTOCOL,
      signal
    })
    const over = Promise.withResolvers<StreamEnd>()
    let bytes = 0
    stream.read({
      data: chunk => {
        bytes += chunk.length
      },
      drained: () => {},
      ended: () => {},
      closed: over.resolve
    })
    act(stream)
    await over.promise
    return bytes
  } finally {
    await transport.stop()
  }
}

const frame = (stream: ByteStream, ...parts: Uint8Array[]) => void stream.write(frameParts(parts))
const EMPTY = new Uint8Array(0)

/** Connects by plain TCP, sends `bytes`, and waits until the daemon hangs up, in whichever way. */
async function hungUpOn(bytes: Uint8Array): Promise<void> {
  const port = Number(/\d+$/.exec((await status()).listen[0] ?? '')?.[0])
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {}) // a reset is one of the ways to hang up
  const closed = new Promise(resolve => socket.on('close', resolve))
  socket.resume().write(bytes)
  await closed
}

function messageOne(id: string, keyring: Keyring): Uint8Array {
  const options = {
    role: 'client',
    id: new TextEncoder().encode(id),
    privateKey: keyring.identityKey(),
    randomBytes: systemRandomBytes,
    receivePolicy: 'ordered'
  } as const
  return SecureSession.create(options).connectRequest()
}

it('hangs up on a stranger after Noise, and names it in the status', async () => {
  const stranger = identity('stranger')
  await expect(attack(stranger, () => {})).rejects.toMatchObject({ code: 'NOT_ACCEPTED' })
  expect((await status()).refused).toContainEqual(
    expect.objectContaining({ reason: 'stranger', nodeId: stranger.nodeId })
  )
})

it('hangs up on what is no libp2p at all', () => hungUpOn(Buffer.alloc(100_000, 'GET / HTTP/1.1\r\n')))

it('hangs up on a caller that says nothing', () => hungUpOn(EMPTY))

it.each<[string, string, (stream: ByteStream) => void]>([
  [
    'garbage',
    'AUTHENTICATION_FAILED',
    stream => {
      frame(stream, EMPTY)
      frame(stream, systemRandomBytes(300))
    }
  ],
  ['a frame without end', 'FRAME_TOO_LARGE', stream => void stream.write([Uint8Array.of(0, 0xff, 0xff, 0xff, 0x7f)])],
  [
    'a message 1 in the name of somebody else',
    'AUTHENTICATION_FAILED',
    stream => {
      frame(stream, EMPTY)
      frame(stream, messageOne('bob', mallory))
    }
  ],
  [
    'a message 1 signed with another key',
    'AUTHENTICATION_FAILED',
    stream => {
      frame(stream, EMPTY)
      frame(stream, messageOne('mallory', identity('mallory')))
    }
  ]
])('closes the stream on %s, without a word, and counts it', async (_what, code, act) => {
  const before = await counted(code)
  expect(await attack(mallory, act)).toBe(0)
  await until('it to be counted', async () => (await counted(code)) === before + 1)
})

it('closes the stream of a contact that goes silent or drips bytes, at the deadline', async () => {
  const before = (await status()).counters
  await attack(mallory, stream => frame(stream, EMPTY))
  const drip = (stream: ByteStream, bytes: Uint8Array = Uint8Array.of(0x00, 0xff, 0x1f)) => {
    if (stream.write([bytes])) clock.timer(100, () => drip(stream, Uint8Array.of(0x55)))
  }
  await attack(mallory, stream => drip(stream))
  const after = (await status()).counters
  const late = (counters: NodeStatus['counters']) =>
    (counters['HANDSHAKE_TIMED_OUT'] ?? 0) + (counters['refused_unproven-deadline'] ?? 0)
  expect(late(after)).toBeGreaterThanOrEqual(late(before) + 2)
})

it('goes on as if nothing had been', async () => {
  const { peers, ready } = await status()
  expect(ready).toBe(true)
  expect(peers.map(({ trust }) => trust)).toEqual(['known'])
  expect(daemon.stderr).not.toMatch(/ERROR/)
})
