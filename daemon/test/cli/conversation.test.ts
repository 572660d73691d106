import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { PassThrough, Writable } from 'node:stream'
import { connect } from '@parley/client-sdk'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeTempHome } from '../../../test/support/temp-home.ts'
import { until } from '../../../test/support/until.ts'
import { runCli } from '../../src/cli/main.ts'
import { type CliResult, fakeHost } from './fake-host.ts'
import { introduce, type LocalDaemon, startLocalDaemon } from './local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const homes = [makeTempHome(), makeTempHome()] as const
let alice: LocalDaemon
let bob: LocalDaemon
beforeAll(async () => {
  alice = await startLocalDaemon(homes[0].path)
  bob = await startLocalDaemon(homes[1].path)
  await introduce(alice, bob)
})
afterAll(async () => {
  await alice[Symbol.asyncDispose]()
  await bob[Symbol.asyncDispose]()
  for (const home of homes) home.remove()
})

interface Listening {
  readonly result: Promise<CliResult>
  /** What it printed so far. */
  readonly printed: () => string
  readonly interrupt: () => void
}

/** Starts `parley listen` at bob, and resolves once it listens; `result` is what it ended with. */
async function listening(args: readonly string[]): Promise<Listening> {
  const { host, out, err } = fakeHost({ args: ['--home', bob.home, 'listen', ...args] })
  const result = runCli(host).then(code => ({ code, stdout: out.text, stderr: err.text }))
  await until('listen to listen', () => err.text.includes('listening\n'))
  return {
    result,
    printed: () => out.text,
    interrupt: () => void (host as unknown as NodeJS.EventEmitter).emit('SIGINT')
  }
}
const json = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

describe('send and listen', () => {
  it('carry text; the ID of the sender is that of the receiver', async () => {
    const { result } = await listening(['--json', '--count', '1', '--channel', 'text'])
    const sent = await alice.parley(['send', 'bob', 'grüezi', '--channel', 'text'])
    expect(sent.code).toBe(0)
    expect(sent.stderr).toBe('')
    const { code, stdout } = await result
    expect(code).toBe(0)
    const [line] = json(stdout)
    expect(line).toEqual({
      index: expect.any(Number),
      id: sent.stdout.trim(),
      from: expect.any(String),
      fromName: 'alice',
      channel: 'text',
      sentAt: expect.any(Number),
      body: Buffer.from('grüezi').toString('base64'),
      text: 'grüezi'
    })
  })

  it('carry standard input byte for byte, from nothing to 1 MiB', async () => {
    const bodies = [Buffer.alloc(0), Buffer.from([0, 10, 255, 13]), Buffer.alloc(1_048_576, 0xe7)]
    const { result } = await listening(['--json', '--count', '3', '--channel', 'bytes'])
    for (const stdin of bodies) {
      expect((await alice.parley(['send', 'bob', '-', '--channel', 'bytes'], { stdin })).code).toBe(0)
    }
    const lines = json((await result).stdout)
    expect(lines.map(line => hash(Buffer.from(line['body'] as string, 'base64')))).toEqual(bodies.map(hash))
    expect(lines.map(line => 'text' in line)).toEqual([true, false, false])
  })

  it('carry lines in order, each with its ID', async () => {
    const lines = Array.from({ length: 3_000 }, (_, index) => (index % 7 === 0 ? '' : `line ${index}`))
    const { result } = await listening(['--json', '--count', '3000', '--channel', 'lines'])
    const sent = await alice.parley(['send', 'bob', '--lines', '--channel', 'lines', '--json'], {
      stdin: `${lines.join('\n')}\n`
    })
    expect(sent.stderr).toBe('')
    expect(sent.code).toBe(0)
    const received = json((await result).stdout)
    expect(received.map(line => line['text'])).toEqual(lines)
    expect(received.map(line => line['id'])).toEqual(json(sent.stdout).map(line => line['id']))
  })

  it('carry what waited while nobody listened, and wait until it is handled where asked', async () => {
    const sent = await alice.parley([
      'send',
      'bob',
      'kept',
      '--channel',
      'kept',
      '--wait',
      'stored',
      '--timeout',
      '20s'
    ])
    expect(sent.code).toBe(0)
    const handled = alice.parley(['send', 'bob', 'taken', '--channel', 'kept', '--wait', 'handled', '--timeout', '20s'])
    const { result } = await listening(['--json', '--count', '2', '--channel', 'kept'])
    const lines = json((await result).stdout)
    expect(lines.map(line => line['text'])).toEqual(['kept', 'taken'])
    const { code, stdout } = await handled
    expect(code).toBe(0)
    expect([sent.stdout.trim(), stdout.trim()]).toEqual(lines.map(line => line['id']))
  })

  it('carry what is not durable to whom listens now', async () => {
    const { result } = await listening(['--json', '--count', '1', '--channel', 'now'])
    const sent = await alice.parley(['send', 'bob', 'now', '--channel', 'now', '--not-durable'])
    expect(sent).toMatchObject({ code: 0, stderr: 'not durable: bob gets it now, or not at all\n' })
    expect(json((await result).stdout)[0]?.['id']).toBe(sent.stdout.trim())
  })

  it('mark what comes again', async () => {
    await alice.parley(['send', 'bob', 'again', '--channel', 'again', '--wait', 'stored', '--timeout', '20s'])
    await using parley = await connect({ home: bob.home })
    const messages = parley.messages({ channel: 'again', consumer: 'cli:again', from: 'start' })
    await messages.next()
    await messages.return()
    const { result } = await listening(['--json', '--count', '1', '--channel', 'again'])
    expect(json((await result).stdout)[0]).toMatchObject({ text: 'again', redelivered: true })
  })

  it('send what was read before an interrupt, and print its IDs', async () => {
    const { host, out, err } = fakeHost({ args: ['--home', alice.home, 'send', 'bob', '--lines', '--channel', 'tail'] })
    const input = new PassThrough()
    Object.assign(host, { stdin: input })
    const ended = runCli(host)
    const events = host as unknown as NodeJS.EventEmitter
    input.write('one\ntwo\nthr')
    await until('it to hear signals', () => events.listenerCount('SIGINT') > 0)
    await until('the lines to be read', () => input.readableLength === 0)
    events.emit('SIGINT')
    expect(await ended).toBe(0)
    expect(err.text).toBe('')
    expect(out.text.trim().split('\n')).toHaveLength(2)
    const { result } = await listening(['--json', '--count', '2', '--channel', 'tail'])
    expect(json((await result).stdout).map(line => line['text'])).toEqual(['one', 'two'])
  })

  it('print for people without anything that moves the cursor', async () => {
    const { result } = await listening(['--count', '2', '--channel', 'plain'])
    await alice.parley(['send', 'bob', 'a\u001b[2J\nb', '--channel', 'plain'])
    await alice.parley(['send', 'bob', '--channel', 'plain'], { stdin: new Uint8Array([255, 254]) })
    expect((await result).stdout).toBe('alice [plain]: a\ufffd[2J b\nalice [plain]: [2 bytes that are no text]\n')
  })

  it('ends quietly at Ctrl-C, and goes on after what it acknowledged', async () => {
    const first = await listening(['--json', '--channel', 'resume'])
    await alice.parley(['send', 'bob', 'one', '--channel', 'resume'])
    await until('the message to be printed', () => first.printed().includes('"one"'))
    first.interrupt()
    const { code, stdout } = await first.result
    expect(code).toBe(0)
    const second = await listening(['--json', '--channel', 'resume', '--count', '1'])
    await alice.parley(['send', 'bob', 'two', '--channel', 'resume'])
    const all = json(stdout + (await second.result).stdout).map(line => line['text'])
    expect(all).toEqual(['one', 'two'])
  })

  it('ends quietly at Ctrl-C also before it listens', async () => {
    const { host, err } = fakeHost({ args: ['--home', bob.home, 'listen', '--consumer', 'early'] })
    const events = host as unknown as NodeJS.EventEmitter
    const result = runCli(host)
    await until('it to hear signals', () => events.listenerCount('SIGINT') > 0)
    events.emit('SIGINT')
    expect(await result).toBe(0)
    expect(err.text).not.toContain('parley:')
  })

  it('looks without taking: what was seen is there for a reader', async () => {
    const look = await listening(['--look', '--channel', 'look', '--count', '1', '--json'])
    await alice.parley(['send', 'bob', 'seen', '--channel', 'look'])
    expect(json((await look.result).stdout)[0]?.['text']).toBe('seen')
    for (const args of [['--look'], []]) {
      const again = await listening([...args, '--channel', 'look', '--count', '1', '--json', '--timeout', '2s'])
      expect(json((await again.result).stdout)[0]?.['text']).toBe('seen')
    }
  })

  it('refuses a second reader of one consumer, and lets it take over when asked', async () => {
    const first = await listening(['--consumer', 'shared'])
    const refused = await bob.parley(['listen', '--consumer', 'shared', '--json'])
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stderr).error.code).toBe('CONSUMER_BUSY')
    const second = await listening(['--consumer', 'shared', '--takeover'])
    const ended = await first.result
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('took')
    second.interrupt()
    expect((await second.result).code).toBe(0)
  })

  it('ends with 6 when nothing came in time', async () => {
    const { code, stderr } = await bob.parley(['listen', '--channel', 'silent', '--timeout', '50ms', '--json'])
    expect(code).toBe(6)
    expect(JSON.parse(stderr.replace('listening\n', '')).error.code).toBe('TIMED_OUT')
  })

  it('ends quietly when nobody reads its output, and acknowledges nothing that was not written', async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))
    })
    const { host, err } = fakeHost({ args: ['--home', bob.home, 'listen', '--channel', 'pipe'], stdout: broken })
    const ended = runCli(host)
    await until('listen to listen', () => err.text.includes('listening\n'))
    await alice.parley(['send', 'bob', 'kept', '--channel', 'pipe'])
    expect(await ended).toBe(0)
    expect(err.text).toBe('listening\n')
    const again = await listening(['--channel', 'pipe', '--count', '1', '--json'])
    expect(json((await again.result).stdout)[0]?.['text']).toBe('kept')
  })

  it('says so when the output cannot be written, as on a full disk', async () => {
    const full = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
    })
    const { host, err } = fakeHost({ args: ['--home', bob.home, 'card'], stdout: full })
    expect(await runCli(host)).toBe(2)
    expect(err.text).toContain('no space left')
  })
})

describe('a send that fails', () => {
  const failed = async (
    args: readonly string[],
    stdin = ''
  ): Promise<{ code: number; error: { code: string; action: string } }> => {
    const { code, stdout, stderr } = await alice.parley([...args, '--json'], { stdin })
    expect(stdout).toBe('')
    const { error } = json(
      stderr
        .split('\n')
        .filter(line => line.startsWith('{'))
        .join('\n')
    )[0] as never
    return { code, error }
  }

  it('to an unknown contact ends with 1', async () => {
    const { code, error } = await failed(['send', 'nobody', 'hi'])
    expect([code, error.code]).toEqual([1, 'NO_SUCH_PEER'])
    expect(error.action).not.toBe('')
  })

  it('with more than 1 MiB ends with 5, from an argument or from a stream that never ends', async () => {
    const long = await failed(['send', 'bob'], 'x'.repeat(1_048_577))
    expect([long.code, long.error.code]).toEqual([5, 'TOO_LARGE'])
    const line = await failed(['send', 'bob', '--lines'], 'x'.repeat(1_048_577))
    expect([line.code, line.error.code]).toEqual([5, 'TOO_LARGE'])
  })

  it('to a contact whose programs do not listen ends with 6 where it is not durable', async () => {
    const deaf = ['send', 'bob', 'hi', '--channel', 'deaf', '--timeout', '100ms']
    const { code, error } = await failed([...deaf, '--not-durable'])
    expect([code, error.code]).toEqual([6, 'TIMED_OUT'])
  })

  it('to be handled ends with 6 when it was not in time, and with 8 when it never will be', async () => {
    const args = ['send', 'bob', 'hi', '--channel', 'unheard', '--json']
    const late = await alice.parley([...args, '--wait', 'handled', '--timeout', '1s'])
    expect([late.code, JSON.parse(late.stderr).error.code]).toEqual([6, 'TIMED_OUT'])
    expect(json(late.stdout)).toEqual([{ id: expect.any(String), expiresAt: expect.any(Number) }])
    const refused = alice.parley([...args, '--wait', 'handled', '--timeout', '20s'])
    await using parley = await connect({ home: bob.home })
    const messages = parley.messages({ channel: 'unheard', consumer: 'stern', from: 'start' })
    for (let n = 0; n < 2; n++) await (await messages.next()).value?.reject('not wanted')
    const { code, stderr } = await refused
    expect([code, JSON.parse(stderr).error.code]).toEqual([8, 'MESSAGE_REJECTED'])
  })

  it('is refused where options do not go together', async () => {
    for (const more of [
      ['--ttl', '1d'],
      ['--wait', 'stored'],
      ['--when-full', 'fail']
    ])
      expect((await failed(['send', 'bob', 'hi', '--not-durable', ...more])).code).toBe(1)
    for (const more of [
      ['--wait', 'read'],
      ['--when-full', 'never'],
      ['--ttl', 'soon']
    ])
      expect((await failed(['send', 'bob', 'hi', ...more])).code).toBe(1)
  })

  it('to a blocked contact ends with 4, and works again when it is unblocked', async () => {
    expect((await alice.parley(['peer', 'block', 'bob'])).code).toBe(0)
    const { code, error } = await failed(['send', 'bob', 'hi'])
    expect([code, error.code]).toEqual([4, 'BLOCKED'])
    expect((await alice.parley(['peer', 'block', 'bob', '--off'])).code).toBe(0)
    expect((await alice.parley(['wait', '--for', 'peer=bob', '--timeout', '10s'])).code).toBe(0)
  })

  it('to one that has not added us ends with 8, as it does to one whose daemon is down', async () => {
    using home = makeTempHome()
    const carol = await startLocalDaemon(home.path, { 'node.id': 'carol' })
    try {
      const { stdout: card } = await carol.parley(['card'])
      await alice.parley(['peer', 'add', card.trim()])
      const stranger = await failed(['send', 'carol', 'hi', '--not-durable'])
      expect([stranger.code, stranger.error.code]).toEqual([8, 'NOT_ACCEPTED'])
    } finally {
      await carol[Symbol.asyncDispose]()
    }
    // What is told is the outcome of the last dial, and there is one a second at most.
    await until('a dial after it went down', async () => {
      const { code, error } = await failed(['send', 'carol', 'hi', '--not-durable'])
      expect(code).toBe(8)
      return error.code === 'PEER_OFFLINE'
    })
    const queued = await alice.parley(['send', 'carol', 'hi', '--ttl', '1h'])
    expect(queued).toMatchObject({ code: 0, stderr: 'carol is offline: queued, expires in 1 h\n' })
    const expired = await alice.parley(['send', 'carol', 'hi', '--ttl', '1ms', '--wait', 'stored', '--json'])
    expect([expired.code, JSON.parse(expired.stderr).error.code]).toEqual([8, 'MESSAGE_EXPIRED'])
    expect((await alice.parley(['peer', 'rm', 'carol'])).code).toBe(0)
  })

  it('with no daemon ends with 3', async () => {
    using empty = makeTempHome()
    const { host, err } = fakeHost({ args: ['--home', empty.path, 'send', 'bob', 'hi', '--json'] })
    expect(await runCli(host)).toBe(3)
    expect(JSON.parse(err.text).error.code).toBe('DAEMON_UNREACHABLE')
  })

  it('with a broken configuration and no daemon ends with 9', async () => {
    using broken = makeTempHome()
    writeFileSync(broken.file('config.toml'), '[network]\nlisen = []\n')
    const { host, err } = fakeHost({ args: ['--home', broken.path, 'up'] })
    expect(await runCli(host)).toBe(9)
    expect(err.text).toMatch(/config\.toml:2: network\.lisen: .*network\.listen/)
  })
})

describe('contacts', () => {
  it('are listed, shown, renamed, re-addressed and removed', async () => {
    using home = makeTempHome()
    await using dave = await startLocalDaemon(home.path, { 'node.id': 'dave' })
    const { stdout: card } = await dave.parley(['card', '--json'])
    const added = await alice.parley(['peer', 'add', JSON.parse(card).card, '--json'])
    expect(JSON.parse(added.stdout)).toMatchObject({ added: true, peer: { id: 'dave', name: 'dave' } })
    expect((await alice.parley(['peer', 'ls'])).stdout).toMatch(/^NAME +ID +TRUST +SESSION/)
    expect((await alice.parley(['peer', 'rename', 'dave', 'david'])).code).toBe(0)
    const address = '/ip4/192.0.2.1/tcp/7390'
    expect((await alice.parley(['peer', 'update', 'david', '--address', address])).code).toBe(0)
    const shown = JSON.parse((await alice.parley(['peer', 'show', 'david', '--json'])).stdout)
    expect(shown).toMatchObject({ id: 'dave', name: 'david', addressOverride: [address] })
    expect((await alice.parley(['peer', 'show', 'david'])).stdout).toContain(address)
    expect((await alice.parley(['peer', 'update', 'david', '--card'])).code).toBe(0)
    expect((await alice.parley(['peer', 'rm', 'david'])).code).toBe(0)
    expect((await alice.parley(['peer', 'show', 'david'])).code).toBe(1)
  })

  it('are not ourselves', async () => {
    const { stdout: card } = await alice.parley(['card'])
    const { code, stderr } = await alice.parley(['peer', 'add', '-', '--json'], { stdin: card })
    expect(code).toBe(1)
    expect(JSON.parse(stderr).error.code).toBe('SELF')
  })
})

describe('status and wait', () => {
  it('tell people and scripts how the daemon is', async () => {
    const { stdout } = await alice.parley(['status', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      pid: process.pid,
      id: expect.any(String),
      version: expect.any(String),
      uptimeMs: expect.any(Number),
      listen: [expect.stringContaining('/ip4/127.0.0.1/tcp/')],
      sessions: 1,
      peers: [{ name: 'bob' }]
    })
    expect((await alice.parley(['status'])).stdout).toMatch(/^id .*\nfingerprint /)
  })

  it('return at once where there is nothing to wait for', async () => {
    expect((await alice.parley(['wait', '--for', 'ready'])).code).toBe(0)
    expect(JSON.parse((await alice.parley(['wait', '--for', 'ready', '--json'])).stdout)).toEqual({ reached: 'ready' })
  })

  it('end with 6 when the time is over, and with 1 for a contact that is none', async () => {
    using empty = makeTempHome()
    const { host } = fakeHost({ args: ['--home', empty.path, 'wait', '--for', 'ready', '--timeout', '100ms'] })
    expect(await runCli(host)).toBe(6)
    expect((await alice.parley(['wait', '--for', 'peer=nobody'])).code).toBe(1)
  })
})

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
