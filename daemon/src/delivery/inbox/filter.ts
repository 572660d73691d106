/** Which messages a consumer or a look reads. Null means all. */
export interface ContactFilter {
  readonly contacts: ReadonlySet<string> | null
  readonly channels: ReadonlySet<string> | null
}

/** Whether a lane's messages pass the filter. */
export function isMatch(filter: ContactFilter, contact: string, channel: string): boolean {
  if (filter.contacts !== null && !filter.contacts.has(contact)) return false
  return filter.channels === null || filter.channels.has(channel)
}

/** The same text for equal filters, whatever the order in which their parts were named. */
export function filterKey(filter: ContactFilter): string {
  const sorted = (names: ReadonlySet<string> | null) => (names === null ? null : [...names].sort())
  return JSON.stringify([sorted(filter.contacts), sorted(filter.channels)])
}
