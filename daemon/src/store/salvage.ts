import { cp, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { assertFree, LevelStore, repairLevel } from './level.ts'
import { type StoreEntry, SUBLEVELS, type Sublevel } from './port.ts'

/** A record as it lies in the store. */
export interface RawRecord extends StoreEntry {
  readonly sublevel: Sublevel
}

/** A copy of a store that can be read, whatever had happened to the store. */
export interface SalvagedStore {
  /** Whether the copy had to be repaired: some of the store may be gone, and some that was deleted may be back. */
  readonly isRepaired: boolean
  /** Sublevels that could not be read to their ends, once the records were read. */
  readonly cutShort: ReadonlySet<Sublevel>
  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined
  /** Every record, sublevel by sublevel: `meta` first, `lanes` before `outbox`. */
  records(): AsyncIterable<RawRecord>
  /** Closes the copy and deletes it. */
  close(): Promise<void>
}

/**
 * Copies the database in `directory`, which nobody may have open, into a new folder of `folder`, and repairs the copy where it does not
 * open or cannot be read. The database itself is not touched.
 *
 * @throws {DaemonError} `STORE_LOCKED` `STORE_UNAVAILABLE` `STORE_DAMAGED`
 */
export async function salvage(directory: string, folder: string): Promise<SalvagedStore> {
  await assertFree(directory)
  const copy = await copied(directory, folder)
  const cutShort = new Set<Sublevel>()
  try {
    const whole = new LevelStore(copy)
    const isRepaired = !(await isReadable(whole))
    const store = isRepaired ? await repaired(copy) : whole
    return {
      isRepaired,
      cutShort,
      get: (sublevel, key) => store.get(sublevel, key),
      records: () => recordsOf(store, cutShort),
      close: async () => {
        await store.close()
        await rm(copy, { recursive: true, force: true })
      }
    }
  } catch (error) {
    await rm(copy, { recursive: true, force: true })
    throw error
  }
}

async function copied(directory: string, folder: string): Promise<string> {
  try {
    const copy = await mkdtemp(join(folder, 'export-'))
    await cp(directory, copy, { recursive: true })
    return copy
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : 'unknown error'
    throw new DaemonError('STORE_UNAVAILABLE', `the store cannot be copied: ${detail}`, { cause })
  }
}

async function isReadable(store: LevelStore): Promise<boolean> {
  try {
    await store.open()
    for (const sublevel of SUBLEVELS) for await (const _ of store.range(sublevel));
    return true
  } catch (error) {
    await store.close()
    if (error instanceof DaemonError && error.code === 'STORE_DAMAGED') return false
    throw error
  }
}

async function repaired(copy: string): Promise<LevelStore> {
  await repairLevel(copy)
  const store = new LevelStore(copy, { isRepaired: true })
  await store.open()
  return store
}

async function* recordsOf(store: LevelStore, cutShort: Set<Sublevel>): AsyncGenerator<RawRecord, void, undefined> {
  for (const sublevel of SUBLEVELS) {
    try {
      for await (const { key, value } of store.range(sublevel)) yield { sublevel, key, value }
    } catch (error) {
      if (!(error instanceof DaemonError) || error.code !== 'STORE_DAMAGED') throw error
      cutShort.add(sublevel)
    }
  }
}
