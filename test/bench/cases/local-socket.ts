import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { StartedProcess } from '../../support/daemon-process.ts'
import { makeTempHome } from '../../support/temp-home.ts'
import { type Case, rateOf, roundTripsOf } from '../lib/bench.ts'
import { SIZES } from '../lib/sizes.ts'

const STEP_BYTES = 64 * 1024

/** A bare Unix socket between two processes, messages gathered into writes of 64 KiB: what there is to be had above us. */
export async function openSocketCases(): Promise<{ cases: readonly Case[]; close(): Promise<void> }> {
  const home = makeTempHome()
  const path = home.file('s')
  const file = fileURLToPath(new URL('../lib/unix-server.ts', import.meta.url))
  const server = new StartedProcess(file, [path], { home: home.path })
  await server.printed(/listening/)
  const sink = await open(path, 'S')
  const echo = await open(path, 'E')
  const ping = new Uint8Array(64).fill(7)
  return {
    cases: [
      ...SIZES.map(({ bytes, label, pourBytes }) =>
        rateOf(`bare local socket, ${label}`, () => pour(sink, bytes, pourBytes), Math.ceil(pourBytes / bytes), bytes)
      ),
      ...roundTripsOf('bare local socket, 64 B round trip', () => trip(echo, ping))
    ],
    async close() {
      sink.destroy()
      echo.destroy()
      await server.stop()
      home.remove()
    }
  }
}

async function open(path: string, mode: 'S' | 'E'): Promise<Socket> {
  const socket = connect(path)
  await once(socket, 'connect')
  socket.write(mode)
  return socket
}

async function pour(socket: Socket, messageBytes: number, totalBytes: number): Promise<void> {
  const message = new Uint8Array(messageBytes).fill(7)
  const gathered = new Uint8Array(STEP_BYTES)
  const steps = Math.ceil(totalBytes / STEP_BYTES)
  const arrived = counted(socket, steps)
  for (let step = 0; step < steps; step++) {
    const batch = gathered.slice()
    for (let at = 0; at < batch.length; at += messageBytes) batch.set(message, at)
    if (!socket.write(batch)) await once(socket, 'drain')
  }
  await arrived
}

async function trip(socket: Socket, message: Uint8Array): Promise<void> {
  const back = counted(socket, message.length)
  socket.write(message)
  await back
}

/** Resolves once so many bytes have come. */
function counted(socket: Socket, bytes: number): Promise<void> {
  const done = Promise.withResolvers<void>()
  let received = 0
  const onData = (chunk: Uint8Array): void => {
    received += chunk.length
    if (received < bytes) return
    socket.off('data', onData)
    done.resolve()
  }
  socket.on('data', onData)
  return done.promise
}
