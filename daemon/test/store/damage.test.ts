import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { crc32c } from '../../src/store/crc32c.ts'
import { LevelStore } from '../../src/store/level.ts'
import { readLog } from '../../src/store/level-files.ts'
import { bytes, put } from './contract.ts'
import { testSealer } from './test-sealer.ts'

const TABLE_COUNT = 120
const LOG_COUNT = 60
const sealer = testSealer()

const keyOf = (index: number) => bytes(index >> 8, index & 255)
const contentOf = (index: number) => new Uint8Array(1_000).fill(index)

describe('a database that is damaged', () => {
  let folder: string
  let whole: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-damage-'))
    whole = join(folder, 'whole')
    const store = new LevelStore(whole)
    for (const [from, to] of [
      [0, TABLE_COUNT],
      [TABLE_COUNT, TABLE_COUNT + LOG_COUNT]
    ] as const) {
      // What one process leaves in the log is in a table for the next one.
      await store.open()
      for (let index = from; index < to; index++) {
        const key = keyOf(index)
        await store.batch([put('inbox', key, sealer.seal('inbox', key, contentOf(index)))], { sync: true })
      }
      await store.close()
    }
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** Opens a copy that `damage` was done to, and reads all of it. */
  async function readAfter(
    damage: (copy: string) => Promise<void>
  ): Promise<{ code?: string; read: number[]; unopened: number }> {
    const copy = join(folder, 'copy')
    await rm(copy, { recursive: true, force: true })
    await cp(whole, copy, { recursive: true })
    await damage(copy)
    const store = new LevelStore(copy)
    const read: number[] = []
    let unopened = 0
    try {
      await store.open()
      for await (const { key, value } of store.range('inbox')) {
        try {
          const content = sealer.open('inbox', key, value)
          const index = Buffer.from(key).readUInt16BE()
          expect(content).toEqual(contentOf(index))
          read.push(index)
        } catch (error) {
          expect(error).toMatchObject({ code: 'RECORD_DAMAGED', data: { sublevel: 'inbox' } })
          unopened++
        }
      }
      return { read, unopened }
    } catch (error) {
      return { code: (error as { code: string }).code, read, unopened }
    } finally {
      await store.close()
    }
  }

  const filesOf = async (copy: string, kind: RegExp) =>
    (await readdir(copy)).filter(file => kind.test(file)).map(file => join(copy, file))
  const each = (kind: RegExp, action: (path: string) => Promise<void>) => async (copy: string) => {
    const files = await filesOf(copy, kind)
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) await action(file)
  }
  const flip = (kind: RegExp, at: number) =>
    each(kind, async path => {
      const content = await readFile(path)
      const index = Math.floor(at * content.length)
      content[index] = (content[index] as number) ^ 0x41
      await writeFile(path, content)
    })
  const remove = (kind: RegExp) => each(kind, path => rm(path))
  const empty = (kind: RegExp) => each(kind, path => truncate(path, 0))
  const shorten = (kind: RegExp) => each(kind, path => truncate(path, 1_000))

  it('is whole before anything is done to it', async () => {
    const { read, code, unopened } = await readAfter(async () => {})
    expect([read.length, code, unopened]).toEqual([TABLE_COUNT + LOG_COUNT, undefined, 0])
  })

  it.each<[string, (copy: string) => Promise<void>]>([
    ['CURRENT is gone', remove(/^CURRENT$/)],
    ['CURRENT is empty', empty(/^CURRENT$/)],
    ['CURRENT names nothing', each(/^CURRENT$/, path => writeFile(path, 'MANIFEST-999999\n'))],
    ['CURRENT is noise', each(/^CURRENT$/, path => writeFile(path, 'noise'))],
    ['the manifest is gone', remove(/^MANIFEST/)],
    ['the manifest is empty', empty(/^MANIFEST/)],
    ['the manifest has a wrong byte', flip(/^MANIFEST/, 0.3)],
    ['the tables are gone', remove(/\.ldb$/)],
    ['the tables are empty', empty(/\.ldb$/)],
    ['the tables are cut off', shorten(/\.ldb$/)],
    ['the tables have no end', flip(/\.ldb$/, 0.99999)],
    ['the log is gone', remove(/\.log$/)],
    ['the log begins with a wrong byte', flip(/\.log$/, 0)],
    ['the log has a wrong byte in the middle', flip(/\.log$/, 0.5)]
  ])('is refused with STORE_DAMAGED: %s', async (_name, damage) => {
    expect((await readAfter(damage)).code).toBe('STORE_DAMAGED')
  })

  it('loses nothing in silence, whichever bytes are wrong', async () => {
    const outcomes = { damaged: 0, unopened: 0, whole: 0, cut: 0 }
    const place = fc.record({
      kind: fc.constantFrom(/\.ldb$/, /\.log$/, /^MANIFEST/),
      at: fc.integer({ min: 0, max: 9_999 }).map(part => part / 10_000)
    })
    await fc.assert(
      fc.asyncProperty(place, async ({ kind, at }) => {
        const { code, read, unopened } = await readAfter(flip(kind, at))
        if (code !== undefined) {
          expect(code).toBe('STORE_DAMAGED')
          outcomes.damaged++
          return
        }
        // Each record is there as it was, or known not to be; but for the last of the log, where a crash cuts it off too.
        const expected = TABLE_COUNT + LOG_COUNT
        const isLastOfLog = kind.source.includes('log') && at > 1 - 1.5 / LOG_COUNT
        if (isLastOfLog && read.length === expected - 1) outcomes.cut++
        else {
          expect(read.length + unopened).toBe(expected)
          outcomes[unopened > 0 ? 'unopened' : 'whole']++
        }
      }),
      { numRuns: 120 }
    )
    expect(outcomes.damaged).toBeGreaterThan(0)
    expect(outcomes.unopened).toBeGreaterThan(0)
  })

  it('is opened where only an end that was not synced is missing from the log', async () => {
    const { code, read } = await readAfter(
      each(/\.log$/, async path => truncate(path, (await readFile(path)).length - 9))
    )
    expect([code, read.length]).toEqual([undefined, TABLE_COUNT + LOG_COUNT - 1])
  })

  it('that was never made is no damage, and neither is one that a crash stopped while it was made', async () => {
    const { code, read } = await readAfter(async copy => {
      await rm(copy, { recursive: true })
      await mkdir(copy)
      await writeFile(join(copy, 'MANIFEST-000001'), 'half')
    })
    expect([code, read]).toEqual([undefined, []])
  })
})

describe('a log', () => {
  it('has the checksums of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e)
  })

  it('of nothing, of zeros and of noise holds nothing that could be missing', () => {
    expect(readLog(new Uint8Array()).isWhole).toBe(true)
    expect(readLog(new Uint8Array(100_000)).isWhole).toBe(true)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), noise => readLog(noise).isWhole))
  })
})
