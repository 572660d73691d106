/** What an entry of the audit log says. */
export interface AuditRecordInfo {
  /** 1 for the first entry that there ever was. */
  readonly index: number
  /** Unix milliseconds. */
  readonly at: number
  /** `peer.added`, `identity.rotated` and so on; newer daemons may have more. */
  readonly action: string
  /** Whom or what it was done to: a contact ID, an ID, a number. */
  readonly subject: string | null
  /** `local`: a program of this host; `peer`: the other side; `daemon`: the daemon itself. */
  readonly by: string
  readonly detail: Readonly<Record<string, string>>
}

export interface AuditPage {
  readonly entries: readonly AuditRecordInfo[]
  /** Entries of this page that are there and do not open. */
  readonly unreadable: readonly number[]
  /** The oldest entry that is kept. */
  readonly first: number
  /** Entries that there ever were. */
  readonly count: number
  /** The MAC at the end of the chain, in hexadecimal: to be written down elsewhere. */
  readonly head: string
}

/** `cut-off`: entries are gone from the end, as after the store was restored from a backup. */
export type AuditProblem = 'edited' | 'missing' | 'reordered' | 'cut-off'

/** `at` is the first entry that is not as it was written. */
export type AuditVerdict =
  | { readonly ok: true; readonly count: number; readonly head: string }
  | { readonly ok: false; readonly at: number; readonly problem: AuditProblem }
