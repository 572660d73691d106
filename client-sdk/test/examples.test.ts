import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../src/connect.ts'
import { RealServer } from './support/real-server.ts'

let home = ''
let server: RealServer

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'parley-sdk-'))
  server = RealServer.onSocket(join(home, 'parley.sock'))
  await server.start()
  return async () => {
    await server.stop()
    await rm(home, { recursive: true, force: true })
  }
})

/** An example that runs, and what it has printed so far. */
class Running {
  stdout = ''
  stderr = ''
  readonly exitCode: Promise<number | null>
  readonly #child: ChildProcessWithoutNullStreams

  constructor(name: string, args: readonly string[]) {
    const file = fileURLToPath(new URL(`../examples/${name}`, import.meta.url))
    const child = spawn(process.execPath, ['--conditions=parley-source', file, ...args], {
      env: { PATH: process.env['PATH'], PARLEY_HOME: home }
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exitCode = once(child, 'close').then(([code]) => code as number | null)
    onTestFinished(() => void child.kill('SIGKILL'))
    this.#child = child
  }

  /** Waits until it has printed this. */
  async says(stream: 'stdout' | 'stderr', text: string): Promise<void> {
    while (!this[stream].includes(text)) {
      await Promise.race([
        once(this.#child[stream], 'data'),
        once(this.#child[stream], 'end').then(() => {
          if (!this[stream].includes(text)) throw new Error(`ended without ${text}: ${this.stdout}${this.stderr}`)
        })
      ])
    }
  }

  type(text: string): void {
    this.#child.stdin.write(text)
  }

  endInput(): void {
    this.#child.stdin.end()
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }
}

describe('the examples', () => {
  it('send and receive', async () => {
    const receive = new Running('receive.ts', ['talk', '2'])
    await receive.says('stderr', 'listening')
    const send = new Running('send.ts', ['me', 'grüezi', 'talk'])
    expect(await send.exitCode).toBe(0)
    expect(send.stdout).toMatch(/^[0-9a-f]{32}\.\d+\.1\n$/)
    expect(send.stderr).toMatch(/^(stored|handled)\n$/)
    expect(await new Running('send.ts', ['me', 'adieu', 'talk']).exitCode).toBe(0)
    expect(await receive.exitCode).toBe(0)
    expect(receive.stdout).toBe('me: grüezi\nme: adieu\n')
  }, 20_000)

  it('say what went wrong, and what to do', async () => {
    const send = new Running('send.ts', ['nobody', 'x'])
    expect(await send.exitCode).toBe(1)
    expect(send.stderr).toContain('NO_SUCH_PEER')
    expect(await new Running('send.ts', []).exitCode).toBe(1)
  }, 20_000)

  it('say when a message waits for its peer', async () => {
    server.cutLoop()
    onTestFinished(() => server.connectLoop())
    const send = new Running('send.ts', ['me', 'later', 'wait'])
    expect(await send.exitCode).toBe(0)
    expect(send.stderr).toMatch(/^waits for me until \d{4}-/)
  }, 20_000)

  it('have their effect once, also where the ack of an effect was lost, and refuse nonsense', async () => {
    await using parley = await connect({ socket: join(home, 'parley.sock') })
    const sent = await parley.sendRun('me', ['5', 'five', '37'], { channel: 'sums' })
    const look = parley.messages({ channel: 'sums', consumer: null, from: 'start' })
    const { index } = (await look.next()).value as { index: number }
    const file = join(home, 'sum.json')
    // As it was left by a program that died between its effect and its ack.
    await writeFile(file, JSON.stringify({ inbox: parley.hello.inbox, index, total: 5 }))
    const once = new Running('once.ts', [file, '3'])
    expect(await once.exitCode).toBe(0)
    expect(once.stdout).toBe('5 (again): 5\nfive: 5\n37: 42\n')
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ index: index + 2, total: 42 })
    expect((await sent.state()).map(({ state, reason }) => [state, reason])).toEqual([
      ['handled', undefined],
      ['rejected', 'that is no number'],
      ['handled', undefined]
    ])
  }, 20_000)

  it('echo until they are interrupted', async () => {
    await using parley = await connect({ socket: join(home, 'parley.sock') })
    const echo = new Running('echo.ts', [])
    await echo.says('stderr', 'listening')
    const seen = parley.messages({ channel: 'echo', consumer: null })
    await parley.send('me', 'hello', { channel: 'echo', durable: false })
    // The only contact here is this host itself: the echo is echoed.
    for (let n = 0; n < 3; n++) expect((await seen.next()).value?.text()).toBe('hello')
    echo.interrupt()
    expect(await echo.exitCode).toBe(0)
  }, 20_000)

  it('chat until the input ends', async () => {
    const chat = new Running('chat.ts', ['me'])
    await chat.says('stderr', 'listening')
    chat.type('hello\n')
    await chat.says('stdout', 'me: hello\n')
    chat.endInput()
    expect(await chat.exitCode).toBe(0)
  }, 20_000)

  it('print events', async () => {
    await using parley = await connect({ socket: join(home, 'parley.sock') })
    const { cursor } = await parley.call('events.fetch', { after: 'now' })
    server.emit({ kind: 'peer.added', contact: 'c1', name: 'bob' })
    const events = new Running('events.ts', [cursor, '1'])
    expect(await events.exitCode).toBe(0)
    expect(JSON.parse(events.stdout)).toMatchObject({ kind: 'peer.added', contact: 'c1' })
  }, 20_000)

  it('ask, answer and refuse', async () => {
    const serving = new Running('adder.ts', [])
    await serving.says('stderr', 'serving')
    const ask = new Running('adder.ts', ['me', '1', '2', '39'])
    expect(await ask.exitCode).toBe(0)
    expect(ask.stdout).toBe('42\n')
    const refused = new Running('adder.ts', ['me', 'one'])
    expect(await refused.exitCode).toBe(1)
    expect(refused.stderr).toBe('REQUEST_REFUSED (executed: unknown): those are not all numbers\n')
    serving.interrupt()
    expect(await serving.exitCode).toBe(0)
    const nobody = new Running('adder.ts', ['me', '1'])
    expect(await nobody.exitCode).toBe(1)
    expect(nobody.stderr).toContain('NO_RESPONDER (executed: no)')
  }, 20_000)
})
