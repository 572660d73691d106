import type { VaultPeer } from '@parley/client-sdk/contract'
import { DaemonError } from '../errors.ts'
import { hexOf } from '../identity/fields.ts'
import type { RandomBytes } from '../random.ts'
import type { Vault, VaultUse } from './vault.ts'

export interface VaultRunsDeps {
  readonly vault: Vault
  readonly randomBytes: RandomBytes
  readonly limits: {
    /** The content of one run. */
    readonly vaultBytesMax: number
    /** Contents and results of all runs together. */
    readonly vaultTotalBytesMax: number
  }
}

/** A program that uses the vault: one connection of one. */
export interface VaultApp {
  /** The same object for every call of one connection. */
  readonly key: object
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal
}

/** A part of a result. */
export interface VaultPart {
  readonly part: Uint8Array
  /** Whether it is the last one. */
  readonly last: boolean
}

interface Run {
  readonly id: string
  readonly use: VaultUse
  /** What has come, in the first bytes; then the result. */
  bytes: Uint8Array
  length: number
  state: 'filling' | 'working' | 'done'
  /** Of the result, what was read. */
  readAt: number
}

const ID_BYTES = 16
const FIRST_CAPACITY_BYTES = 64 * 1_024
const PART_BYTES = 1_024 * 1_024

/**
 * Uses of the vault whose content is more than a message of the socket: it comes in parts, and so does the result. Themis's formats are of one
 * piece, so the whole is held here, within limits; a connection has one run at a time, and its end is the run's.
 */
export class VaultRuns {
  readonly #deps: VaultRunsDeps
  readonly #runs = new Map<object, Run>()

  constructor(deps: VaultRunsDeps) {
    this.#deps = deps
  }

  /** Bytes that are held for all runs. */
  get heldBytes(): number {
    return [...this.#runs.values()].reduce((sum, { length }) => sum + length, 0)
  }

  /** @throws {DaemonError} `VAULT_BUSY` while the connection has another run; `INVALID_PARAMS`; those of the contact */
  begin(app: VaultApp, use: VaultUse): string {
    this.#deps.vault.assertUsable(use)
    if (this.#runs.has(app.key)) throw new DaemonError('VAULT_BUSY', 'this connection uses the vault already')
    const id = hexOf(this.#deps.randomBytes(ID_BYTES))
    const bytes = new Uint8Array(0)
    this.#runs.set(app.key, { id, use, bytes, length: 0, state: 'filling', readAt: 0 })
    app.signal.addEventListener('abort', () => this.#runs.delete(app.key), { once: true })
    return id
  }

  /** @throws {DaemonError} `TOO_LARGE`, and the run is over; `VAULT_BUSY` while others hold too much, and nothing was taken; `NO_SUCH_VAULT_RUN` */
  write(app: VaultApp, id: string, content: Uint8Array): void {
    const run = this.#runOf(app, id, 'filling')
    const { vaultBytesMax, vaultTotalBytesMax } = this.#deps.limits
    if (run.length + content.length > vaultBytesMax) {
      this.#runs.delete(app.key)
      throw new DaemonError('TOO_LARGE', `the vault takes at most ${vaultBytesMax} bytes at once`, {
        data: { bytesMax: vaultBytesMax }
      })
    }
    if (this.heldBytes + content.length > vaultTotalBytesMax) {
      throw new DaemonError('VAULT_BUSY', 'other programs have given the vault too much')
    }
    run.bytes = grown(run, content.length, vaultBytesMax)
    run.bytes.set(content, run.length)
    run.length += content.length
  }

  /** Does what the run is for; a failure ends it. @throws what `Vault.use` throws; `NO_SUCH_VAULT_RUN` */
  async finish(app: VaultApp, id: string): Promise<{ readonly size: number; readonly peer: VaultPeer | null }> {
    const run = this.#runOf(app, id, 'filling')
    const content = run.bytes.subarray(0, run.length)
    run.state = 'working'
    run.bytes = new Uint8Array(0)
    try {
      const { output, peer } = await this.#deps.vault.use(run.use, content)
      run.bytes = output
      run.length = output.length
      run.state = 'done'
      return { size: output.length, peer }
    } catch (error) {
      this.#runs.delete(app.key)
      throw error
    }
  }

  /** The next part of a result, at most 1 MiB. The last one ends the run. @throws {DaemonError} `NO_SUCH_VAULT_RUN` */
  read(app: VaultApp, id: string): VaultPart {
    const run = this.#runOf(app, id, 'done')
    const part = run.bytes.subarray(run.readAt, run.readAt + PART_BYTES)
    run.readAt += part.length
    const last = run.readAt === run.length
    if (last) this.#runs.delete(app.key)
    return { part, last }
  }

  /** @throws {DaemonError} `NO_SUCH_VAULT_RUN` */
  cancel(app: VaultApp, id: string): void {
    this.#runOf(app, id)
    this.#runs.delete(app.key)
  }

  #runOf(app: VaultApp, id: string, state?: Run['state']): Run {
    const run = this.#runs.get(app.key)
    if (run?.id !== id || (state !== undefined && run.state !== state)) {
      throw new DaemonError('NO_SUCH_VAULT_RUN', 'this connection has no such use of the vault')
    }
    return run
  }
}

/** Room for `moreBytes`: twice as much each time, so that small parts cost no more than large ones. */
function grown({ bytes, length }: Run, moreBytes: number, bytesMax: number): Uint8Array {
  const needed = length + moreBytes
  if (needed <= bytes.length) return bytes
  const larger = new Uint8Array(Math.min(bytesMax, Math.max(needed, 2 * bytes.length, FIRST_CAPACITY_BYTES)))
  larger.set(bytes.subarray(0, length))
  return larger
}
