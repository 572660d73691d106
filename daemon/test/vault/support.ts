import type { Clock } from '../../src/actor/clock.ts'
import { DaemonError } from '../../src/errors.ts'
import { createIdentity, type Keyring } from '../../src/identity/keyring.ts'
import { heldInMemory, type KeyringHolder } from '../../src/identity/keyring-holder.ts'
import { Audit } from '../../src/observe/audit/audit.ts'
import { type RandomBytes, seededRandomBytes } from '../../src/random.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { sealerOf } from '../../src/store/sealed.ts'
import { perform } from '../../src/vault/perform.ts'
import { VaultRuns } from '../../src/vault/runs.ts'
import type { VaultWorker } from '../../src/vault/thread.ts'
import { Vault, type VaultContact } from '../../src/vault/vault.ts'

export const MiB = 1_024 * 1_024

export function keyringOf(name: string): Keyring {
  const randomBytes = seededRandomBytes(`keyring of ${name}`)
  return createIdentity({ id: name, user: name, host: 'host', now: 1, randomBytes })
}

export function vaultContactOf({ id, publicKeyBytes, fingerprint }: Keyring, name = id): VaultContact {
  return { contact: `contact-${name}`, id, name, publicKeyBytes, fingerprint }
}

/** A book of contacts by name. */
export function contactsOf(...contacts: readonly VaultContact[]): (peer: string) => VaultContact {
  return peer => {
    const found = contacts.find(({ name }) => name === peer)
    if (found === undefined) throw new DaemonError('NO_SUCH_PEER', 'no contact is called that')
    return found
  }
}

/** The work of a thread on this one: what it is given it has to itself. */
export class SameThread implements VaultWorker {
  taskCount = 0
  readonly #randomBytes: RandomBytes

  constructor(randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes
  }

  async perform(task: Parameters<VaultWorker['perform']>[0]): Promise<Uint8Array> {
    this.taskCount++
    return perform(structuredClone(task, { transfer: [task.content.buffer as ArrayBuffer] }), this.#randomBytes)
  }

  async stop(): Promise<void> {}
}

export interface VaultRig {
  readonly keys: KeyringHolder
  readonly worker: SameThread
  readonly vault: Vault
  readonly vaultRuns: VaultRuns
}

export const VAULT_LIMITS = { vaultBytesMax: 4 * MiB, vaultTotalBytesMax: 6 * MiB }

/** The vault of a daemon. */
export function vaultRig(
  keyring: Keyring = keyringOf('alice'),
  contact: (peer: string) => VaultContact = contactsOf(vaultContactOf(keyringOf('bob')))
): VaultRig {
  const randomBytes = seededRandomBytes('vault')
  const keys = heldInMemory(keyring)
  const worker = new SameThread(randomBytes)
  const vault = new Vault({ keys, randomBytes, worker, contact })
  return { keys, worker, vault, vaultRuns: new VaultRuns({ vault, randomBytes, limits: VAULT_LIMITS }) }
}

/** An audit log in a store of its own. */
export async function memoryAudit(clock: Clock, keys: KeyringHolder): Promise<Audit> {
  const store = new MemoryStore()
  await store.open()
  const sealer = sealerOf(keys.current.storeKeys, seededRandomBytes('audit'))
  return Audit.open({ store, sealer, clock, keys, options: { auditCountMax: 1_000 } })
}
