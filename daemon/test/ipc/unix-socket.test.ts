import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SystemClock } from '../../src/actor/system-clock.ts'
import { type HttpServerOptions, UnixAppServer } from '../../src/ipc/http-server.ts'
import type { AppHandlers } from '../../src/ipc/port.ts'

const HANDLERS: AppHandlers = {
  connected: connection => connection.close(1000, ''),
  post: async () => ({ status: 200, contentType: 'text/plain', body: new Uint8Array(0) }),
  page: async () => ({ status: 200, contentType: 'text/plain', body: new Uint8Array(0) })
}

describe('the Unix socket', () => {
  let directory: string
  let path: string
  const servers: UnixAppServer[] = []

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'parley-sock-'))
    path = join(directory, 'run', 'parley.sock')
  })

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop()
    await rm(directory, { recursive: true })
  })

  const listen = async (options: Partial<HttpServerOptions> = {}) => {
    const server = new UnixAppServer(
      {
        ...{
          path,
          mode: 0o600,
          group: undefined,
          requestBytesMax: 1024,
          connectionCountMax: 10,
          requestTimeoutMs: 200
        },
        ...options
      },
      new SystemClock()
    )
    servers.push(server)
    await server.listen(HANDLERS)
    return server
  }

  const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8)

  it('is 0600 in a directory of its own that is 0700, and is gone after a stop', async () => {
    const mask = process.umask(0)
    const server = await listen().finally(() => process.umask(mask))
    expect([await modeOf(path), await modeOf(join(directory, 'run'))]).toEqual(['600', '700'])
    await server.stop()
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('leaves the mask of the process as it was', async () => {
    const mask = process.umask()
    await listen()
    expect(process.umask()).toBe(mask)
  })

  it('has the mode and group that are set', async () => {
    const gid = process.getgid?.() as number
    await listen({ mode: 0o660, group: String(gid) })
    expect([await modeOf(path), (await stat(path)).gid]).toEqual(['660', gid])
  })

  it('knows groups by name and refuses one that is not there', async () => {
    await expect(listen({ group: 'no-such-group-here' })).rejects.toMatchObject({ code: 'SOCKET_FAILED' })
  })

  it('refuses a path that is too long, before anything is made', async () => {
    const long = join(directory, 'x'.repeat(120), 'parley.sock')
    await expect(listen({ path: long })).rejects.toMatchObject({ code: 'SOCKET_PATH_TOO_LONG' })
    await expect(stat(join(directory, 'x'.repeat(120)))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('replaces a socket whose server has died', async () => {
    await mkdir(join(directory, 'run'))
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await once(spawn(process.execPath, ['-e', script]), 'exit')
    expect((await stat(path)).isSocket()).toBe(true)
    await listen()
    const socket = connect(path)
    await once(socket, 'connect')
    socket.destroy()
  })

  it('leaves a socket alone that is served', async () => {
    await listen()
    await expect(listen()).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
    const socket = connect(path)
    await once(socket, 'connect')
    socket.destroy()
  })

  it('leaves alone what is no socket', async () => {
    await mkdir(join(directory, 'run'))
    await writeFile(path, 'precious')
    await expect(listen()).rejects.toMatchObject({ code: 'SOCKET_FAILED' })
    await rm(path)
    const other = createServer().listen(join(directory, 'other.sock'))
    await once(other, 'listening')
    await symlink(join(directory, 'other.sock'), path)
    await expect(listen()).rejects.toMatchObject({ code: 'SOCKET_FAILED' })
    other.close()
  })

  it('is not made in a directory where others may write', async () => {
    await mkdir(join(directory, 'run'))
    await chmod(join(directory, 'run'), 0o777)
    await expect(listen()).rejects.toMatchObject({ code: 'SOCKET_FAILED' })
  })

  it.each([
    ['a head that never ends', 'POST /rpc HTTP/1.1\r\nHost: parley\r\n'],
    [
      'a body that never ends',
      'POST /rpc HTTP/1.1\r\nHost: parley\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{'
    ]
  ])('hangs up on %s', async (_case, head) => {
    await listen()
    const socket = connect(path)
    socket.write(head)
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    await once(socket, 'close')
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('refuses heads that are too long, and garbage', async () => {
    await listen()
    for (const [head, status] of [
      [`GET /livez HTTP/1.1\r\nHost: parley\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
      ['\u0016\u0003\u0001 no HTTP at all\r\n\r\n', 400]
    ] as const) {
      const socket = connect(path)
      socket.on('error', () => undefined)
      socket.write(head)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(answer.toString()).toContain(`HTTP/1.1 ${status} `)
      socket.destroy()
    }
  })

  it('does not let a browser in by a CORS header', async () => {
    await listen()
    const socket = connect(path)
    socket.write('OPTIONS /rpc HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nConnection: close\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 403 /)
    expect(answer.toString().toLowerCase()).not.toContain('access-control')
    socket.destroy()
  })
})
