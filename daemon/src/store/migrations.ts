import { z } from 'zod'
import { DaemonError } from '../errors.ts'
import { OWN_CARD_KEY } from '../identity/own-card.ts'
import { KEPT_PORTS_KEY } from '../kept-ports.ts'
import { upgradeContact } from '../peer/contact.ts'
import { CONTACT_KEY_PREFIX, contactKey, isContactKey } from './contact-key.ts'
import type { Store, StoreEntry, StoreWrite, Sublevel } from './port.ts'
import { recordCodec } from './records.ts'
import type { Sealer } from './sealer.ts'
import { SortedTable } from './sorted-table.ts'

/** What a migration sees: the store as the migrations before it will have left it. */
export interface MigrationView {
  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined
  /** Every entry of a sublevel, in key order. */
  entries(sublevel: Sublevel): AsyncIterable<StoreEntry>
}

/** One step of the schema. It reads, and says what to write; it writes nothing itself. */
export interface Migration {
  /** The schema version that it makes out of the one before. */
  readonly to: number
  plan(view: MigrationView): Promise<readonly StoreWrite[]>
}

/** The steps to the schema of this program, first version 1: an empty store is a store of version 0. */
export function schemaSteps(sealer: Sealer): readonly Migration[] {
  return [
    { to: 1, plan: async () => [] },
    { to: 2, plan: view => sealPlainRecords(view, sealer) },
    { to: 3, plan: async view => sealKeptPorts(view, sealer) },
    { to: 4, plan: view => addKeysToContacts(view, sealer) }
  ]
}

/** Until schema 1 contacts and the own card lay there as they are, and contacts under their contact IDs. */
async function sealPlainRecords(view: MigrationView, sealer: Sealer): Promise<readonly StoreWrite[]> {
  const writes: StoreWrite[] = []
  for await (const { key: plainKey, value } of view.entries('peers')) {
    const text = Buffer.from(plainKey).toString('latin1')
    if (!text.startsWith(CONTACT_KEY_PREFIX)) continue
    const key = contactKey(sealer, text.slice(CONTACT_KEY_PREFIX.length))
    writes.push({ type: 'delete', sublevel: 'peers', key: plainKey })
    writes.push({ type: 'put', sublevel: 'peers', key, value: sealer.seal('peers', key, value) })
  }
  const card = view.get('meta', OWN_CARD_KEY)
  if (card !== undefined) {
    writes.push({ type: 'put', sublevel: 'meta', key: OWN_CARD_KEY, value: sealer.seal('meta', OWN_CARD_KEY, card) })
  }
  return writes
}

/** Until schema 2 the ports that the daemon listens on lay there as they are. */
function sealKeptPorts(view: MigrationView, sealer: Sealer): readonly StoreWrite[] {
  const ports = view.get('meta', KEPT_PORTS_KEY)
  if (ports === undefined) return []
  const value = sealer.seal('meta', KEPT_PORTS_KEY, ports)
  return [{ type: 'put', sublevel: 'meta', key: KEPT_PORTS_KEY, value }]
}

/** Until schema 3 contacts had the keys of their cards, and no more was kept of how they are trusted. */
async function addKeysToContacts(view: MigrationView, sealer: Sealer): Promise<readonly StoreWrite[]> {
  const writes: StoreWrite[] = []
  for await (const { key, value } of view.entries('peers')) {
    if (!isContactKey(key)) continue
    const contact = upgradeContact(sealer.open('peers', key, value))
    writes.push({ type: 'put', sublevel: 'peers', key, value: sealer.seal('peers', key, contact) })
  }
  return writes
}

const SCHEMA_KEY = new TextEncoder().encode('schema')
const schemaCodec = recordCodec({
  sublevel: 'meta',
  version: 1,
  schema: z.strictObject({ schema: z.int().min(1).max(65_535) })
})

/** What marks a store as one of that schema. */
export function schemaWrite(schema: number): StoreWrite {
  return { type: 'put', sublevel: 'meta', key: SCHEMA_KEY, value: schemaCodec.encode({ schema }) }
}

/**
 * Brings an open store to the schema of this program: in one synced batch, or not at all.
 *
 * @returns the versions before and after
 * @throws {DaemonError} `STORE_NEWER`, with the store untouched; `RECORD_DAMAGED`; `STORE_UNAVAILABLE`
 */
export async function migrate(
  store: Store,
  migrations: readonly Migration[]
): Promise<{ readonly from: number; readonly to: number }> {
  const target = migrations.at(-1)?.to ?? 0
  const bytes = store.get('meta', SCHEMA_KEY)
  const from = bytes === undefined ? 0 : schemaCodec.decode(bytes).schema
  if (from > target) {
    throw new DaemonError('STORE_NEWER', `the store has schema ${from}, this program knows ${target}`, {
      data: { schema: from, known: target }
    })
  }
  if (from === target) return { from, to: target }
  const plan = new Plan(store)
  for (const migration of migrations) {
    if (migration.to > from) plan.add(await migration.plan(plan))
  }
  plan.add([schemaWrite(target)])
  await store.batch(plan.writes, { sync: true })
  return { from, to: target }
}

/** The writes of the migrations so far, and the store as it looks through them. */
class Plan implements MigrationView {
  readonly #store: Store
  readonly #changes = new Map<Sublevel, SortedTable<StoreWrite>>()
  readonly writes: StoreWrite[] = []

  constructor(store: Store) {
    this.#store = store
  }

  add(writes: readonly StoreWrite[]): void {
    for (const write of writes) {
      this.writes.push(write)
      this.#changesOf(write.sublevel).set(write.key, write)
    }
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    const change = this.#changesOf(sublevel).get(key)
    if (change === undefined) return this.#store.get(sublevel, key)
    return change.type === 'put' ? change.value : undefined
  }

  async *entries(sublevel: Sublevel): AsyncGenerator<StoreEntry, void, undefined> {
    const changes = this.#changesOf(sublevel).range()
    let next = 0
    for await (const entry of this.#store.range(sublevel)) {
      for (let change = changes[next]; change !== undefined; change = changes[next]) {
        if (Buffer.compare(change.key, entry.key) >= 0) break
        if (change.value.type === 'put') yield { key: change.key, value: change.value.value }
        next++
      }
      const replaced = changes[next]
      if (replaced === undefined || Buffer.compare(replaced.key, entry.key) !== 0) yield entry
    }
    for (const { key, value } of changes.slice(next)) {
      if (value.type === 'put') yield { key, value: value.value }
    }
  }

  #changesOf(sublevel: Sublevel): SortedTable<StoreWrite> {
    let changes = this.#changes.get(sublevel)
    if (changes === undefined) {
      changes = new SortedTable()
      this.#changes.set(sublevel, changes)
    }
    return changes
  }
}
