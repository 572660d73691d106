import type { AuditPage, AuditRecordInfo, AuditVerdict } from '@parley/client-sdk/contract'
import type { Clock } from '../../actor/clock.ts'
import { GroupCommit } from '../../delivery/commit.ts'
import { hexOf } from '../../identity/fields.ts'
import type { AuditHead } from '../../identity/keyring.ts'
import type { KeyringHolder } from '../../identity/keyring-holder.ts'
import type { Store, StoreWrite } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import { ChainCheck, opened } from './check.ts'
import type { AuditEntry, AuditLog } from './port.ts'
import { type AuditAnchor, type AuditRecord, AuditRecords, auditKeyOf, indexOfKey } from './records.ts'

export interface AuditDeps {
  /** Open. */
  readonly store: Store
  readonly sealer: Sealer
  readonly clock: Clock
  readonly keys: KeyringHolder
  readonly options: {
    /** Entries that are kept; the oldest leave. */
    readonly auditCountMax: number
  }
}

/** What the methods of the socket see of the log. */
export interface AuditApi extends AuditLog {
  list(after: number, max: number): Promise<AuditPage>
  verify(): Promise<AuditVerdict>
}

/** How many entries may leave with one write: what a lowered limit leaves over goes with the next ones. */
const LEAVING_COUNT_MAX = 256

/**
 * The audit log of a daemon: entries that are sealed, each chained to the one before by an HMAC, which together with their count is
 * kept in the keyring too. So whoever has the store, or even its keys, can change no entry and take none away unseen.
 *
 * An entry is told as recorded once it is in the store, synced, and the head is in the keyring. Entries of one turn go together.
 */
export class Audit implements AuditApi {
  readonly #deps: AuditDeps
  readonly #records: AuditRecords
  readonly #commit: GroupCommit
  /** The chain's end, with what is on its way to the disk. */
  #tail: AuditHead = { count: 0, head: new Uint8Array(0) }
  /** The newest entry that is on disk. */
  #synced: AuditHead = this.#tail
  /** The first entry that is kept. */
  #first = 1
  /** A change of the keyring that has not looked at the head yet. */
  #saving: Promise<void> | undefined

  /** Reads where the log ends. @throws {DaemonError} `STORE_UNAVAILABLE` `STORE_DAMAGED` */
  static async open(deps: AuditDeps): Promise<Audit> {
    const audit = new Audit(deps)
    await audit.reload()
    return audit
  }

  private constructor(deps: AuditDeps) {
    this.#deps = deps
    this.#records = new AuditRecords(deps.sealer, deps.keys.current.auditKey())
    this.#commit = new GroupCommit({
      store: deps.store,
      clock: deps.clock,
      run: code => code(),
      // Whoever waits for an entry is told; the next ones wait for `reload`.
      failed: () => undefined
    })
  }

  async record(entry: AuditEntry): Promise<void> {
    const { clock } = this.#deps
    const { count, head } = this.#tail
    const record = this.#records.make(entry, count + 1, Math.max(0, clock.wallMs()), head)
    const writes = [...this.#leaving(record.index), this.#records.put(record)]
    for (const write of writes) this.#commit.write(write, () => write)
    this.#tail = { count: record.index, head: record.mac }
    await this.#commit.synced()
    if (record.index > this.#synced.count) this.#synced = { count: record.index, head: record.mac }
    await this.#saveHead()
  }

  /** Entries after an index, oldest first. */
  async list(after: number, max: number): Promise<AuditPage> {
    const entries: AuditRecordInfo[] = []
    const unreadable: number[] = []
    const gte = auditKeyOf(Math.max(after + 1, this.#first))
    for await (const { key, value } of this.#deps.store.range('audit', { gte, limit: max })) {
      const record = opened(() => this.#records.open(key, value))
      if (record === undefined) unreadable.push(indexOfKey(key) ?? 0)
      else entries.push(infoOf(record))
    }
    const { count, head } = this.#tail
    return { entries, unreadable, first: this.#first, count, head: hexOf(head) }
  }

  /** Looks through the whole log. Entries that come meanwhile are not waited for. */
  async verify(): Promise<AuditVerdict> {
    const { store, keys } = this.#deps
    const check = new ChainCheck(this.#records, keys.current.auditHead)
    for await (const { key, value } of store.range('audit')) {
      if (!check.take(key, value)) break
    }
    return check.end()
  }

  /** The store is lost: whoever waits for an entry hears so. */
  storeLost(): void {
    this.#commit.lose()
  }

  /**
   * Reads anew where the log ends. Where the store is behind the keyring, its end was cut off or it was restored: the log goes on behind
   * the head in the keyring, so that the hole shows for as long as it is kept.
   */
  async reload(): Promise<void> {
    const { store, keys } = this.#deps
    const saved = keys.current.auditHead
    const anchor = this.#anchor()
    this.#first = (anchor?.index ?? 0) + 1
    this.#tail = saved
    for await (const { key, value } of store.range('audit', { gte: auditKeyOf(1), reverse: true, limit: 1 })) {
      const index = indexOfKey(key) ?? 0
      if (index <= saved.count) continue
      const last = opened(() => this.#records.open(key, value))
      if (last !== undefined && this.#records.holds(last)) this.#tail = { count: index, head: last.mac }
      else this.#tail = { count: index, head: saved.head }
    }
    this.#synced = this.#tail
    this.#commit.resume()
  }

  /** Waits for what is on its way to the disk. */
  async stop(): Promise<void> {
    // What failed was told to whoever waited for it.
    await this.#commit.synced().catch(() => undefined)
    await this.#saving?.catch(() => undefined)
  }

  #anchor(): AuditAnchor | undefined {
    const value = this.#deps.store.get('audit', auditKeyOf(0))
    return value === undefined ? undefined : opened(() => this.#records.openAnchor(value))
  }

  /** The writes that take the oldest entries away once the log is full. What comes in one turn may stand over until the next. */
  #leaving(newest: number): readonly StoreWrite[] {
    const full = newest - this.#deps.options.auditCountMax
    if (full < this.#first) return []
    const from = Math.min(full, this.#first + LEAVING_COUNT_MAX - 1)
    const last = this.#genuineFrom(from)
    if (last === undefined) return []
    const writes: StoreWrite[] = [this.#records.putAnchor(this.#records.anchorAt(last))]
    for (; this.#first <= last.index; this.#first++) {
      writes.push({ type: 'delete', sublevel: 'audit', key: auditKeyOf(this.#first) })
    }
    return writes
  }

  /**
   * The first entry on disk from `from` on that is as it was written: an anchor needs one, and what is damaged must not keep the log from
   * moving on.
   */
  #genuineFrom(from: number): AuditRecord | undefined {
    for (let index = from; index <= this.#synced.count; index++) {
      const key = auditKeyOf(index)
      const value = this.#deps.store.get('audit', key)
      const record = value === undefined ? undefined : opened(() => this.#records.open(key, value))
      if (record?.index === index && this.#records.holds(record)) return record
    }
    return undefined
  }

  /** Puts the head into the keyring: once for all entries that are synced by the time it is changed. */
  #saveHead(): Promise<void> {
    this.#saving ??= this.#deps.keys.replace(keyring => {
      this.#saving = undefined
      return keyring.with({ auditHead: this.#synced })
    })
    return this.#saving
  }
}

function infoOf({ index, at, action, subject, by, detail }: AuditRecord): AuditRecordInfo {
  return { index, at, action, subject: subject ?? null, by, detail }
}
