import { beforeEach, describe, expect, it } from 'vitest'
import type { Directory } from '../../src/peer/directory.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { cardOf, codeOf, identityNamed } from '../identity/identities.ts'
import { openDirectory } from './directory-support.ts'

let directory: Directory

beforeEach(async () => {
  const store = new MemoryStore()
  await store.open()
  directory = await openDirectory(store)
})

const add = async (id: string, name?: string) => (await directory.add(cardOf(identityNamed(id)), name)).contact

describe('what a name means', () => {
  it('is an exact local name first, then an ID, then a contact ID, then the only one that starts like it', async () => {
    const bob = await add('bob@lab', 'anna')
    const anna = await add('anna-marie', 'bo')
    expect(directory.resolve('anna')).toBe(bob)
    expect(directory.resolve('bob@lab')).toBe(bob)
    expect(directory.resolve('bo')).toBe(anna)
    expect(directory.resolve('bob')).toBe(bob)
    expect(directory.resolve('anna-')).toBe(anna)
    expect(directory.resolve(bob.contact)).toBe(bob)
    expect(directory.resolve(bob.contact.slice(0, 10))).toBe(bob)
    expect(directory.resolve(' anna ')).toBe(bob)
  })

  it('is compared in NFC', async () => {
    const emile = await add('émile')
    expect(directory.resolve('e\u0301mile')).toBe(emile)
  })

  it('is ambiguous when several start like it, and they are listed', async () => {
    const first = await add('bob@lab')
    const second = await add('other', 'bobby')
    const refusal = await Promise.resolve()
      .then(() => directory.resolve('bob'))
      .catch((error: unknown) => error)
    expect(refusal).toMatchObject({
      code: 'AMBIGUOUS_PEER',
      data: {
        candidates: [
          { contact: first.contact, name: 'bob@lab', id: 'bob@lab' },
          { contact: second.contact, name: 'bobby', id: 'other' }
        ]
      }
    })
  })

  it('lists at most 20 candidates', async () => {
    for (let count = 0; count < 25; count++) await add(`peer-${count}`)
    const refusal = await Promise.resolve()
      .then(() => directory.resolve('peer'))
      .catch((error: { data: { candidates: unknown[] } }) => error)
    expect((refusal as { data: { candidates: unknown[] } }).data.candidates).toHaveLength(20)
  })

  it('is nobody when nobody is called so', async () => {
    await add('bob')
    for (const reference of ['', ' ', 'carol', 'bobb', 'BOB', 'b'.repeat(1_000_000)]) {
      expect(await codeOf(() => directory.resolve(reference))).toBe('NO_SUCH_PEER')
    }
  })
})
