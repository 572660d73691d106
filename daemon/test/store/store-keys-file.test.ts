import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { openSealer } from '../../src/store/sealed.ts'
import { loadOrMakeStoreKeys, loadStoreKeys } from '../../src/store/store-keys-file.ts'

const randomBytes = seededRandomBytes('store keys file')

describe('the file of the store keys', () => {
  let folder: string
  let path: string
  let store: MemoryStore

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley store keys '))
    path = join(folder, 'store-keys')
    store = new MemoryStore()
    await store.open()
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('is made where there is none, for its owner alone, and is the same from then on', async () => {
    await expect(loadStoreKeys(path)).rejects.toMatchObject({ code: 'STORE_KEYS_MISSING' })
    const made = await loadOrMakeStoreKeys(path, store, randomBytes)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['store-keys'])
    await openSealer({ store, keys: made, randomBytes })
    expect((await loadOrMakeStoreKeys(path, store, randomBytes)).encode()).toEqual(made.encode())
  })

  it('is never made anew for a store that has sealed with other keys', async () => {
    const keys = await loadOrMakeStoreKeys(path, store, randomBytes)
    await openSealer({ store, keys, randomBytes })
    await rm(path)
    await expect(loadOrMakeStoreKeys(path, store, randomBytes)).rejects.toMatchObject({ code: 'STORE_KEYS_MISSING' })
    expect(await readdir(folder)).toEqual([])
  })

  it.each([0o640, 0o604, 0o620, 0o666])('is refused with mode %o', async mode => {
    await loadOrMakeStoreKeys(path, store, randomBytes)
    await chmod(path, mode)
    await expect(loadOrMakeStoreKeys(path, store, randomBytes)).rejects.toMatchObject({ code: 'KEYRING_MODE' })
  })

  it('is refused when it is damaged, even for a store that has sealed nothing', async () => {
    for (const content of ['', 'parley/store-keys/v2\0', 'x'.repeat(70_000)]) {
      await writeFile(path, content, { mode: 0o600 })
      await expect(loadOrMakeStoreKeys(path, store, randomBytes)).rejects.toMatchObject({ code: 'STORE_KEYS_INVALID' })
    }
  })

  it('is not made where none can be', async () => {
    await writeFile(join(folder, 'file'), '')
    const inFile = join(folder, 'file', 'store-keys')
    await expect(loadOrMakeStoreKeys(inFile, store, randomBytes)).rejects.toMatchObject({ code: 'STORE_KEYS_INVALID' })
    expect(await readdir(folder)).toEqual(['file'])
  })
})
