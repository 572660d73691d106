import { type Card, parseCard } from '../../identity/card.ts'
import { hexOf } from '../../identity/fields.ts'
import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'
import { cardText, shortText } from '../params.ts'

export const peersAdd: Method = defineMethod('peers.add', {
  access: 'admin',
  params: { card: cardText, name: shortText.exactOptional() },
  run({ card: text, name }, call) {
    const card = readable(text)
    const subject = card === undefined ? {} : { subject: hexOf(card.fingerprint) }
    const detail = { ...(card !== undefined && { id: card.id }), ...(name !== undefined && { name }) }
    return audited(call, { action: 'peer.added', ...subject, detail }, () => call.deps.peers.add(text, name))
  }
})

/** What cannot be read is refused by the book of contacts, which says why. */
function readable(text: string): Card | undefined {
  try {
    return parseCard(text)
  } catch {
    return undefined
  }
}
