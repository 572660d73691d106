import type { Clock } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { Card } from '../../identity/card.ts'
import { sameBytes } from '../../identity/fields.ts'
import type { Contact } from '../contact.ts'
import type { Directory } from '../directory.ts'
import type { PairedContact, PairingContacts, PairingWishes, PreparedContact } from './port.ts'

/** The contacts of the directory, as pairing makes and changes them. */
export class DirectoryContacts implements PairingContacts {
  readonly #directory: Directory
  readonly #clock: Pick<Clock, 'wallMs'>

  constructor(directory: Directory, clock: Pick<Clock, 'wallMs'>) {
    this.#directory = directory
    this.#clock = clock
  }

  prepare(card: Card, { name, renew }: PairingWishes): Promise<PreparedContact> {
    const known = this.#directory.byNodeId(card.nodeId)
    if (renew !== undefined) return this.#prepareChange(renew, card, 'renew')
    // A pending one is left over from a pairing that nobody finished: this is another.
    if (known !== undefined && known.trust !== 'pending' && sameBytes(known.fingerprint, card.fingerprint)) {
      return this.#prepareChange(known.contact, card, 'verify')
    }
    return this.#prepareNew(card, name, known?.trust === 'pending' ? known : undefined)
  }

  /** Takes back what a daemon that ended in the middle of a pairing has left. */
  async dropAllPending(): Promise<void> {
    for (const { trust, contact } of this.#directory.list()) {
      if (trust === 'pending') await this.#directory.dropPending(contact)
    }
  }

  async #prepareNew(card: Card, name: string | undefined, leftOver: Contact | undefined): Promise<PreparedContact> {
    const directory = this.#directory
    if (leftOver !== undefined) await directory.dropPending(leftOver.contact)
    const pending = shown(await directory.addPending(card, name))
    return {
      pending,
      verify: async () => shown(await directory.verify(pending.contact, 'pairing', this.#clock.wallMs())),
      drop: () => directory.dropPending(pending.contact)
    }
  }

  /** A contact that is there stays as it is until the other side has confirmed. */
  async #prepareChange(contact: string, card: Card, change: 'renew' | 'verify'): Promise<PreparedContact> {
    const directory = this.#directory
    const held = directory.byContact(contact)
    if (held === undefined) throw new DaemonError('NO_SUCH_PEER', 'The contact is gone.')
    if (held.blocked) throw new DaemonError('BLOCKED', `${held.name} is blocked.`, { data: { ...shown(held) } })
    if (change === 'renew') directory.assertRenewable(contact, card)
    return {
      pending: undefined,
      verify: async () => {
        const at = this.#clock.wallMs()
        if (change === 'renew') return shown(await directory.renew(contact, card, 'pairing', at))
        await directory.add(card)
        return shown(await directory.verify(contact, 'pairing', at))
      },
      drop: async () => undefined
    }
  }
}

function shown({ contact, name }: Contact): PairedContact {
  return { contact, name }
}
