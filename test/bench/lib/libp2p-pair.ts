import { noise } from '@chainsafe/libp2p-noise'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

/** Takes bytes and answers with one byte for each {@link SINK_STEP_BYTES} of them. */
export const SINK_PROTOCOL = '/bench/sink/1.0.0'
/** Sends back what comes. */
export const ECHO_PROTOCOL = '/bench/echo/1.0.0'
const SINK_STEP_BYTES = 64 * 1024

/** A libp2p node as bare as it gets: TCP, Noise and Yamux as they come, none of libp2p's guards against strangers in the way. */
export function createBareNode(listen: boolean): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: listen ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      inboundConnectionThreshold: 1_000_000,
      maxConnections: 1_000_000,
      maxIncomingPendingConnections: 1_000_000
    },
    connectionMonitor: { enabled: false }
  })
}

/** Answers both protocols on a node. */
export async function serveBare(node: Libp2p): Promise<void> {
  const options = { maxInboundStreams: 1_000_000 }
  await node.handle(
    SINK_PROTOCOL,
    stream => {
      let receivedBytes = 0
      let toldSteps = 0
      stream.addEventListener('message', ({ data }) => {
        receivedBytes += data.byteLength
        const steps = Math.floor(receivedBytes / SINK_STEP_BYTES)
        if (steps > toldSteps) stream.send(new Uint8Array(steps - toldSteps))
        toldSteps = steps
      })
    },
    options
  )
  await node.handle(
    ECHO_PROTOCOL,
    stream => stream.addEventListener('message', ({ data }) => stream.send(data)),
    options
  )
}

/** Sends `bytes` as messages of one size over a stream, and waits until the sink has them: how many messages were sent. */
export async function pourInto(stream: Stream, message: Uint8Array, bytes: number): Promise<number> {
  const steps = Math.ceil(bytes / SINK_STEP_BYTES)
  const count = Math.ceil((steps * SINK_STEP_BYTES) / message.length)
  const arrived = Promise.withResolvers<void>()
  let toldSteps = 0
  const onMessage = ({ data }: { data: { byteLength: number } }): void => {
    toldSteps += data.byteLength
    if (toldSteps >= steps) arrived.resolve()
  }
  stream.addEventListener('message', onMessage)
  for (let i = 0; i < count; i++) {
    if (!stream.send(message)) await nextEvent(stream, 'drain')
  }
  await arrived.promise
  stream.removeEventListener('message', onMessage)
  return count
}

/** Sends a message and waits for as many bytes to come back. */
export async function echo(stream: Stream, message: Uint8Array): Promise<void> {
  const back = Promise.withResolvers<void>()
  let receivedBytes = 0
  const onMessage = ({ data }: { data: { byteLength: number } }): void => {
    receivedBytes += data.byteLength
    if (receivedBytes >= message.length) back.resolve()
  }
  stream.addEventListener('message', onMessage)
  stream.send(message)
  await back.promise
  stream.removeEventListener('message', onMessage)
}

/** Dials anew, connection and first stream, waits for an echo, and hangs up. */
export async function dialAnew(node: Libp2p, address: Multiaddr): Promise<void> {
  const connection: Connection = await node.dial(address, { force: true })
  const stream = await connection.newStream(ECHO_PROTOCOL)
  await echo(stream, new Uint8Array(1))
  connection.abort(new Error('the measurement is over'))
}

function nextEvent(stream: Stream, name: 'drain'): Promise<unknown> {
  return new Promise(resolve => stream.addEventListener(name, resolve, { once: true }))
}
