import { DaemonError } from '../errors.ts'
import type { PeersApi } from '../ipc/node-api.ts'
import type { Directory } from '../peer/directory.ts'
import type { VaultContact } from './vault.ts'

/**
 * Finds contacts for the vault, by the policy that holds for messages; and never one whose key is in question, whatever messages may do
 * with it.
 */
export function vaultContacts(
  peers: Pick<PeersApi, 'recipient'>,
  directory: Pick<Directory, 'byContact'>
): (peer: string) => VaultContact {
  return peer => {
    const { contact } = peers.recipient(peer)
    const found = directory.byContact(contact)
    if (found === undefined) throw new DaemonError('NO_SUCH_PEER', 'the contact is gone')
    const { card, name, trust, publicKeyBytes, fingerprint } = found
    if (trust === 'changed' || trust === 'pending') {
      throw new DaemonError('UNTRUSTED', 'the key of that contact is not decided on', { data: { trust } })
    }
    return { contact, name, id: card.id, publicKeyBytes, fingerprint }
  }
}
