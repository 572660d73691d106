import { DaemonError } from '../errors.ts'
import type { AuditEntry } from '../observe/audit/port.ts'
import type { Call } from './call.ts'

/**
 * Logs what a call is going to change, and then changes it: so no crash and no full disk leaves a change that nobody logged. A change that fails after
 * that is logged as failed too.
 *
 * @throws {DaemonError} `STORE_UNAVAILABLE` where it could not be logged, and nothing was changed; what `change` throws
 */
export async function audited<T>(
  { caller, deps }: Call,
  entry: Omit<AuditEntry, 'by'>,
  change: () => T | Promise<T>
): Promise<T> {
  const detail = { ...entry.detail, app: caller.name }
  const by = caller.owner
  await deps.audit.record({ ...entry, by, detail })
  try {
    return await change()
  } catch (error) {
    const failed = error instanceof DaemonError ? error.code : 'INTERNAL'
    // The change was logged: where this entry is lost, the log says too much and not too little.
    await deps.audit.record({ ...entry, by, detail: { ...detail, failed } }).catch(() => undefined)
    throw error
  }
}
