import type { AuditRecordInfo, AuditVerdict } from './contract/audit.ts'
import type { Result } from './contract/methods.ts'
import type { Link } from './link.ts'
import type { CallOptions } from './peers.ts'

/** The daemon's log of trust changes, key changes, pairings and administrative calls. */
export class AuditLog {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  /** One page of entries after an index, oldest first. */
  page(
    options: CallOptions & { readonly after?: number | undefined; readonly max?: number | undefined } = {}
  ): Promise<Result<'audit.list'>> {
    const { after, max, signal } = options
    return this.#link.call(
      'audit.list',
      { ...(after !== undefined && { after }), ...(max !== undefined && { max }) },
      signal
    )
  }

  /** Every entry that opens, oldest first, to the end as it is then. */
  async *entries(options: CallOptions & { readonly after?: number | undefined } = {}): AsyncGenerator<AuditRecordInfo> {
    let after = options.after ?? 0
    for (;;) {
      const { entries, unreadable, count } = await this.page({ after, signal: options.signal })
      yield* entries
      const last = Math.max(entries.at(-1)?.index ?? 0, ...unreadable)
      if (last === 0 || last >= count) return
      after = last
    }
  }

  /** Whether every entry is there and as it was written; else which is not, and how. */
  verify(options: CallOptions = {}): Promise<AuditVerdict> {
    return this.#link.call('audit.verify', {}, options.signal)
  }
}
