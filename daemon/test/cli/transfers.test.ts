import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock } from '../../src/actor/system-clock.ts'
import { runCli } from '../../src/cli/main.ts'
import { fakeHost, type Sink } from './fake-host.ts'
import { introduce, type LocalDaemon, startLocalDaemon } from './local-daemon.ts'

const MiB = 1024 * 1024

/** A command that runs until it ends or is interrupted. */
class Running {
  readonly out: Sink
  readonly err: Sink
  readonly code: Promise<number>
  readonly #host: NodeJS.EventEmitter

  constructor(daemon: LocalDaemon, args: readonly string[]) {
    const { host, out, err } = fakeHost({ args: ['--home', daemon.home, ...args] })
    this.out = out
    this.err = err
    this.#host = host as unknown as NodeJS.EventEmitter
    this.code = runCli(host)
  }

  interrupt(): void {
    this.#host.emit('SIGINT')
  }

  async says(text: string): Promise<void> {
    await until(() => this.err.text.includes(text) || this.out.text.includes(text))
  }
}

const clock = new SystemClock()

async function until(condition: () => boolean): Promise<void> {
  const endMs = clock.monotonicMs() + 10_000
  while (!condition()) {
    if (clock.monotonicMs() > endMs) throw new Error('not so after 10 s')
    await new Promise<void>(resolve => clock.timer(10, resolve))
  }
}

describe('files by the command line', () => {
  let root: string
  let alice: LocalDaemon
  let bob: LocalDaemon
  let folderCount = 0

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'parley-files-'))
    alice = await startLocalDaemon(join(root, 'alice'))
    bob = await startLocalDaemon(join(root, 'bob'))
    await introduce(alice, bob)
  }, 30_000)

  afterAll(async () => {
    await alice[Symbol.asyncDispose]()
    await bob[Symbol.asyncDispose]()
    rmSync(root, { recursive: true, force: true })
  })

  const folder = (): string => {
    const path = join(root, `to-${++folderCount}`)
    mkdirSync(path)
    return path
  }
  const source = (name: string, bytes: Uint8Array): string => {
    const path = join(folder(), name)
    writeFileSync(path, bytes)
    return path
  }

  it('go whole from one to the other, and both commands say so', async () => {
    const bytes = randomBytes(3 * MiB + 17)
    const to = folder()
    const receiving = new Running(bob, ['receive-files', '--to', to, '--count', '1', '--json'])
    const sent = await alice.parley(['send-file', 'bob', source('holiday.bin', bytes), '--json'])
    expect(sent).toMatchObject({ code: 0 })
    expect(await receiving.code).toBe(0)
    const [offer, done] = sent.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(offer).toEqual({ transfer: expect.stringMatching(/^[0-9a-f]{32}$/) })
    expect(done).toEqual({ transfer: offer.transfer, state: 'done', size: bytes.length, sha256 })
    const path = join(to, 'holiday.bin')
    expect(JSON.parse(receiving.out.text)).toMatchObject({ transfer: offer.transfer, peer: 'alice', path, sha256 })
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(readdirSync(to)).toEqual(['holiday.bin'])
  })

  it('never overwrite what is there', async () => {
    const to = folder()
    writeFileSync(join(to, 'a.txt'), 'mine')
    const receiving = new Running(bob, ['receive-files', '--to', to, '--count', '1'])
    expect(await alice.parley(['send-file', 'bob', source('a.txt', Buffer.from('theirs'))])).toMatchObject({ code: 0 })
    expect(await receiving.code).toBe(0)
    expect(receiving.out.text).toBe(`${join(to, 'a (2).txt')}\n`)
    expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('mine')
    expect(readFileSync(join(to, 'a (2).txt'), 'utf8')).toBe('theirs')
  })

  it('wait for a receiver, pause by Ctrl-C on either side, and go on by their ID', async () => {
    const bytes = randomBytes(2 * MiB)
    const path = source('big.bin', bytes)
    const to = folder()
    const first = new Running(alice, ['send-file', 'bob', path])
    await first.says('waiting until a program of bob takes the file')
    first.interrupt()
    expect(await first.code).toBe(8)
    const id = first.out.text.trim()
    expect(first.err.text).toContain(`--resume ${id}`)

    const idle = new Running(bob, ['receive-files', '--to', to])
    await idle.says('receiving into')
    idle.interrupt()
    expect(await idle.code).toBe(0)

    const second = new Running(alice, ['send-file', 'bob', path, '--resume', id])
    const receiving = new Running(bob, ['receive-files', '--to', to, '--count', '1'])
    expect(await second.code).toBe(0)
    expect(await receiving.code).toBe(0)
    expect(second.out.text.trim()).toBe(id)
    expect(readFileSync(join(to, 'big.bin')).equals(bytes)).toBe(true)
  })

  it('go on with the part that is there, once what was cut off of it is sent again', async () => {
    const bytes = randomBytes(2 * MiB)
    const path = source('part.bin', bytes)
    const to = folder()
    const id = 'a'.repeat(32)
    const contact = JSON.parse((await bob.parley(['peer', 'show', 'alice', '--json'])).stdout).contact
    writeFileSync(join(to, 'part.bin.part'), bytes)
    truncateSync(join(to, 'part.bin.part'), MiB + 5)
    const note = { version: 1, transfer: id, contact, size: bytes.length }
    writeFileSync(join(to, 'part.bin.part.json'), JSON.stringify(note))
    const receiving = new Running(bob, ['receive-files', '--to', to, '--count', '1'])
    expect(await alice.parley(['send-file', 'bob', path, '--resume', id])).toMatchObject({ code: 0 })
    expect(await receiving.code).toBe(0)
    expect(readFileSync(join(to, 'part.bin')).equals(bytes)).toBe(true)
    expect(readdirSync(to)).toEqual(['part.bin'])
  })

  it('are refused where the part that is there is of another file, which is then begun anew', async () => {
    const bytes = randomBytes(MiB)
    const path = source('other.bin', bytes)
    const to = folder()
    const id = 'b'.repeat(32)
    const contact = JSON.parse((await bob.parley(['peer', 'show', 'alice', '--json'])).stdout).contact
    writeFileSync(join(to, 'other.bin.part'), randomBytes(512 * 1024))
    const note = { version: 1, transfer: id, contact, size: bytes.length }
    writeFileSync(join(to, 'other.bin.part.json'), JSON.stringify(note))
    const receiving = new Running(bob, ['receive-files', '--to', to, '--count', '1'])
    expect(await alice.parley(['send-file', 'bob', path, '--resume', id, '--json'])).toMatchObject({ code: 8 })
    await until(() => !existsSync(join(to, 'other.bin.part')))
    expect(await alice.parley(['send-file', 'bob', path])).toMatchObject({ code: 0 })
    expect(await receiving.code).toBe(0)
    expect(readFileSync(join(to, 'other.bin')).equals(bytes)).toBe(true)
  })

  it('end with 6 when their time is over, and with 1 for nobody, for no file and for a name that must not travel', async () => {
    const path = source('late.bin', Buffer.from('late'))
    const late = await alice.parley(['send-file', 'bob', path, '--timeout', '300ms', '--json'])
    expect(late.code).toBe(6)
    expect(JSON.parse(late.stderr.trim().split('\n').at(-1) as string)).toMatchObject({ error: { code: 'TIMED_OUT' } })
    expect(await alice.parley(['send-file', 'nobody', path])).toMatchObject({ code: 1, stdout: '' })
    const refused: readonly (readonly [string, RegExp])[] = [
      [join(root, 'nothing'), /there is no file .*nothing/],
      [join(path, 'inside'), /there is no file .*inside/],
      [root, /is no regular file/],
      [source('bell\u0007.bin', Buffer.from('x')), /bell\ufffd\.bin has control characters.*next: Rename it/s],
      [source('two\nlines', Buffer.from('x')), /two.*lines has control characters.*next: Rename it/s]
    ]
    for (const [file, words] of refused) {
      const { code, stdout, stderr } = await alice.parley(['send-file', 'bob', file])
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toMatch(words)
    }
    expect(await alice.parley(['send-file', 'bob', path, '--resume', 'short'])).toMatchObject({ code: 1 })
  })
})
