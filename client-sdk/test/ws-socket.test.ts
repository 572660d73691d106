import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { connect } from '../src/connect.ts'
import { codeOf, failureOf } from './support/connected.ts'
import { StandInDaemon, texts } from './support/stand-in-daemon.ts'

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-sdk-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function listening(path: string): Promise<StandInDaemon> {
  const daemon = new StandInDaemon()
  await daemon.listen(path)
  onTestFinished(() => daemon.stop())
  return daemon
}

describe('a connection over a real Unix socket', () => {
  it('sends and receives, also where the path has a colon, a space and a question mark', async () => {
    const socket = join(await temporaryDirectory(), 'a:b c?d.sock')
    const daemon = await listening(socket)
    daemon.answers['messages.subscribe'] = () => ({ subscription: 'sub', next: 1 })
    await using parley = await connect({ socket })
    const body = Uint8Array.from({ length: 1024 * 1024 }, (_, n) => n % 251)
    await Promise.all([parley.send('bob', body), parley.send('bob', 'hello')])
    const sent = daemon.callsOf('messages.send')
    expect(Buffer.compare(sent[0]?.bodies[0] as Uint8Array, body)).toBe(0)
    expect(texts(sent.at(-1)?.bodies ?? [])).toEqual(['hello'])
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub', { first: 1, bodies: [body] })
    const { value } = await messages.next()
    expect(Buffer.compare(value?.body as Uint8Array, body)).toBe(0)
  })

  it('delivers what follows the answer to a subscription in the same packet', async () => {
    const socket = join(await temporaryDirectory(), 's')
    const daemon = await listening(socket)
    daemon.answers['messages.subscribe'] = () => ({ subscription: 'sub', next: 1 })
    daemon.afterAnswer = method => {
      if (method === 'messages.subscribe') daemon.deliver('sub', { first: 1, bodies: [new Uint8Array(3)] })
    }
    await using parley = await connect({ socket })
    const { value } = await parley.messages({ consumer: 'app' }).next()
    expect(value?.body).toEqual(new Uint8Array(3))
  })

  it('is made again when the daemon was gone', async () => {
    const socket = join(await temporaryDirectory(), 's')
    const first = await listening(socket)
    await using parley = await connect({ socket })
    await first.stop()
    await vi.waitFor(() => expect(parley.isConnected).toBe(false))
    const send = parley.send('bob', 'x')
    const second = await listening(socket)
    await send
    expect(texts(second.callsOf('messages.send')[0]?.bodies ?? [])).toEqual(['x'])
  })

  it('is DAEMON_UNREACHABLE at once where no socket is, and where something else listens', async () => {
    const directory = await temporaryDirectory()
    const absent = await failureOf(connect({ socket: join(directory, 'absent') }))
    expect(absent).toMatchObject({ code: 'DAEMON_UNREACHABLE', cause: { code: 'ENOENT' } })
    const other = createServer(socket => socket.resume().end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'))
    await new Promise<void>(resolve => other.listen(join(directory, 'other'), resolve))
    expect(await codeOf(connect({ socket: join(directory, 'other') }))).toBe('DAEMON_UNREACHABLE')
    await new Promise(resolve => other.close(resolve))
  })

  it('ends by its signal while something listens that does not answer', async () => {
    const path = join(await temporaryDirectory(), 'silent')
    const open = new Set<{ destroy(): void }>()
    const silent = createServer(socket => open.add(socket))
    await new Promise<void>(resolve => silent.listen(path, resolve))
    const stop = new AbortController()
    const enough = new Error('enough')
    silent.once('connection', () => stop.abort(enough))
    await expect(connect({ socket: path, signal: stop.signal, wait: true })).rejects.toBe(enough)
    for (const socket of open) socket.destroy()
    await new Promise(resolve => silent.close(resolve))
  })
})
