import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LevelStore } from '../../src/store/level.ts'
import { bytes, collect, describeStore, put } from './contract.ts'

const makeDirectory = () => mkdtemp(join(tmpdir(), 'parley-store-'))
const removeDirectory = (directory: string) => rm(directory, { recursive: true, force: true })

describeStore('LevelStore', async () => {
  const directory = await makeDirectory()
  return {
    store: new LevelStore(directory),
    other: () => new LevelStore(directory),
    remove: () => removeDirectory(directory)
  }
})

describe('LevelStore and the world', () => {
  let directory: string

  beforeEach(async () => {
    directory = await makeDirectory()
  })

  afterEach(() => removeDirectory(directory))

  const childPath = fileURLToPath(new URL('./child.ts', import.meta.url))
  /** Starts the child; `shellSetUp` runs in the shell that becomes it. */
  const startChild = (mode: string, shellSetUp = ':') =>
    spawn(
      'sh',
      [
        '-c',
        `${shellSetUp}; exec "$0" "$@"`,
        process.execPath,
        '--conditions=parley-source',
        childPath,
        mode,
        directory
      ],
      {
        stdio: ['ignore', 'pipe', 'inherit']
      }
    )
  type Child = ReturnType<typeof startChild>
  const linesOf = (child: Child) => createInterface({ input: child.stdout })

  async function allLines(child: Child): Promise<string[]> {
    const lines: string[] = []
    const exited = once(child, 'exit')
    for await (const line of linesOf(child)) lines.push(line)
    expect(await exited).toEqual([0, null])
    return lines
  }

  /** Every batch of these indexes, as the child writes them, is there. */
  async function expectKept(indexes: readonly number[]): Promise<void> {
    const store = new LevelStore(directory)
    await store.open()
    for (const index of indexes) {
      for (const sublevel of ['inbox', 'lanes', 'consumers'] as const) {
        expect(store.get(sublevel, bytes(0, 0, 0, index))).toEqual(new Uint8Array(2_000).fill(index))
      }
    }
    await store.close()
  }

  it('is locked against another process, and free for it afterwards', async () => {
    const store = new LevelStore(directory)
    await store.open()
    expect(await allLines(startChild('open'))).toEqual(['STORE_LOCKED'])
    await store.close()
    expect(await allLines(startChild('open'))).toEqual(['opened'])
  })

  it('fails with STORE_UNAVAILABLE where no directory can be made', async () => {
    const path = join(directory, 'file')
    await writeFile(path, 'in the way')
    await expect(new LevelStore(join(path, 'store')).open()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('keeps every synced batch, and only whole ones in order, over kill -9', async () => {
    const child = startChild('write')
    const exited = once(child, 'exit')
    let lastSynced = -1
    for await (const line of linesOf(child)) {
      const [word, index] = line.split(' ')
      if (word === 'synced') lastSynced = Number(index)
      if (lastSynced >= 150) child.kill('SIGKILL')
    }
    expect(await exited).toEqual([null, 'SIGKILL'])
    const store = new LevelStore(directory)
    await store.open()
    const [inbox, lanes, consumers] = await Promise.all([
      collect(store.range('inbox')),
      collect(store.range('lanes')),
      collect(store.range('consumers'))
    ])
    await store.close()
    expect(lanes).toEqual(inbox)
    expect(consumers).toEqual(inbox)
    const indexes = (inbox ?? []).map(([key]) => Buffer.from(key).readUInt32BE())
    expect(indexes).toEqual(indexes.map((_, position) => position))
    expect(indexes.length).toBeGreaterThan(lastSynced)
  })

  it('closes itself when a write fails, and loses nothing it acknowledged before or after opening again', async () => {
    // 512-byte blocks; Node ignores SIGXFSZ, so a write beyond the limit fails as on a full disk.
    const lines = await allLines(startChild('fill', 'ulimit -f 64'))
    const failures = lines.filter(line => line.startsWith('failed'))
    expect(failures.length).toBeGreaterThan(1)
    expect(failures.filter(line => !line.endsWith(' STORE_UNAVAILABLE'))).toEqual([])
    expect(lines.filter(line => line.startsWith('then'))).toEqual(
      failures.flatMap(() => Array(2).fill('then STORE_UNAVAILABLE'))
    )
    expect(lines.filter(line => line === 'reopened')).toHaveLength(failures.length)
    const acknowledged = lines.filter(line => line.startsWith('synced')).map(line => Number(line.split(' ')[1]))
    expect(acknowledged.length).toBe(20 - failures.length)
    await expectKept(acknowledged)
  })

  it('comes back by itself after each failed write under a guard', async () => {
    const lines = await allLines(startChild('guard', 'ulimit -f 64'))
    const acknowledged = lines.filter(line => line.startsWith('synced')).map(line => Number(line.split(' ')[1]))
    const failureCount = lines.filter(line => line.startsWith('failed')).length
    expect(failureCount).toBeGreaterThan(1)
    expect(lines.filter(line => line === 'back')).toHaveLength(failureCount)
    expect(acknowledged).toHaveLength(20 - failureCount)
    await expectKept(acknowledged)
  })

  it('does not let one sublevel read into another whose name or keys are near', async () => {
    const store = new LevelStore(directory)
    await store.open()
    await store.batch([put('inbox', bytes(0xff, 0xff), bytes(1)), put('lanes', bytes(), bytes(2))], { sync: false })
    expect(await collect(store.range('inbox'))).toEqual([[[0xff, 0xff], [1]]])
    expect(await collect(store.range('lanes', { reverse: true }))).toEqual([[[], [2]]])
    await store.close()
  })
})
