import { defineMethod, type Method } from '../call.ts'
import { cardText, shortText } from '../params.ts'

export const peersAdd: Method = defineMethod('peers.add', {
  access: 'admin',
  params: { card: cardText, name: shortText.exactOptional() },
  run: (params, { deps }) => deps.peers.add(params.card, params.name)
})
