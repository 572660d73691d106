import {
  bytes,
  type Case,
  CONTEXT,
  damaged,
  EMPTY,
  type Loose,
  loose,
  MASTER_KEY,
  make,
  NOT_BYTES,
  outcomeOf,
  TEXT,
  withEach
} from './case.ts'

interface Protected {
  readonly data: Uint8Array
  readonly token: Uint8Array
}

const protect = (cell: Loose, ...args: unknown[]) => cell['encrypt']?.(...args) as Protected

export const CELL_CASES: readonly Case[] = [
  {
    name: 'Context Imprint of given bytes',
    run: ({ SecureCellContextImprint }) =>
      [1, 15, 16, 17, 1000].map(length => {
        const cell = SecureCellContextImprint.withKey(MASTER_KEY)
        const sealed = cell.encrypt(new Uint8Array(length).fill(9), CONTEXT)
        return [sealed, cell.decrypt(sealed, CONTEXT), cell.decrypt(sealed, TEXT)]
      })
  },
  {
    name: 'Context Imprint with wrong arguments',
    run: ({ SecureCellContextImprint }) => {
      const cell = loose(SecureCellContextImprint.withKey(MASTER_KEY))
      return ['encrypt', 'decrypt'].map(method => [
        withEach([...NOT_BYTES, EMPTY], value => cell[method]?.(value, CONTEXT)),
        withEach([...NOT_BYTES, EMPTY], value => cell[method]?.(TEXT, value)),
        outcomeOf(() => cell[method]?.(TEXT)),
        outcomeOf(() => cell[method]?.())
      ])
    }
  },
  {
    name: 'cells from wrong keys and passphrases',
    run: ({ SecureCellSeal, SecureCellTokenProtect, SecureCellContextImprint }) => [
      ...[SecureCellSeal, SecureCellTokenProtect, SecureCellContextImprint].flatMap(Cell => [
        withEach([...NOT_BYTES, EMPTY, TEXT.buffer], value => loose(Cell)['withKey']?.(value)),
        withEach([...NOT_BYTES, EMPTY], value => make(Cell, value))
      ]),
      withEach([...NOT_BYTES, EMPTY, '', TEXT, TEXT.buffer], value => loose(SecureCellSeal)['withPassphrase']?.(value))
    ]
  },
  {
    name: 'Seal with and without a context',
    run: ({ SecureCellSeal }) => {
      const cell = SecureCellSeal.withKey(MASTER_KEY)
      const contexts = [undefined, null, EMPTY, CONTEXT, CONTEXT.buffer] as Uint8Array[]
      return contexts.map(sealing => {
        const sealed = cell.encrypt(TEXT, sealing)
        return [sealed.length, ...contexts.map(opening => outcomeOf(() => cell.decrypt(sealed, opening)))]
      })
    }
  },
  {
    name: 'the deprecated constructors make the same cells',
    run: ({ SecureCellSeal, SecureCellTokenProtect, SecureCellContextImprint }) => {
      const { data, token } = new SecureCellTokenProtect(MASTER_KEY).encrypt(TEXT)
      return [
        SecureCellSeal.withKey(MASTER_KEY).decrypt(new SecureCellSeal(MASTER_KEY).encrypt(TEXT)),
        SecureCellTokenProtect.withKey(MASTER_KEY).decrypt(data, token),
        new SecureCellContextImprint(MASTER_KEY).encrypt(TEXT, CONTEXT)
      ]
    }
  },
  {
    name: 'Seal with wrong arguments',
    run: ({ SecureCellSeal }) => {
      const cell = loose(SecureCellSeal.withKey(MASTER_KEY))
      const sealed = cell['encrypt']?.(TEXT)
      return [
        withEach([...NOT_BYTES, EMPTY], value => cell['encrypt']?.(value)),
        withEach([...NOT_BYTES, EMPTY], value => cell['decrypt']?.(value)),
        withEach(NOT_BYTES, value => cell['encrypt']?.(TEXT, value)),
        withEach(NOT_BYTES, value => cell['decrypt']?.(sealed, value))
      ]
    }
  },
  {
    name: 'a sealed cell with any one byte changed, or cut short anywhere',
    run: ({ SecureCellSeal }) => {
      const cell = SecureCellSeal.withKey(MASTER_KEY)
      return damaged(cell.encrypt(bytes('12345'))).map(sealed => outcomeOf(() => cell.decrypt(sealed)))
    }
  },
  {
    name: 'Token Protect with and without a context',
    run: ({ SecureCellTokenProtect }) => {
      const cell = loose(SecureCellTokenProtect.withKey(MASTER_KEY))
      const contexts = [null, EMPTY, CONTEXT]
      return contexts.map(sealing => {
        const { data, token } = protect(cell, TEXT, sealing)
        const opened = contexts.map(opening => outcomeOf(() => cell['decrypt']?.(data, token, opening)))
        return [data.length, token.length, ...opened]
      })
    }
  },
  {
    name: 'Token Protect with wrong arguments',
    run: ({ SecureCellTokenProtect }) => {
      const cell = loose(SecureCellTokenProtect.withKey(MASTER_KEY))
      const { data, token } = protect(cell, TEXT)
      return [
        withEach([...NOT_BYTES, EMPTY], value => cell['encrypt']?.(value)),
        withEach(NOT_BYTES, value => cell['encrypt']?.(TEXT, value)),
        withEach([...NOT_BYTES, EMPTY], value => cell['decrypt']?.(value, token)),
        withEach([...NOT_BYTES, EMPTY], value => cell['decrypt']?.(data, value)),
        withEach(NOT_BYTES, value => cell['decrypt']?.(data, token, value))
      ]
    }
  },
  {
    name: 'a protected token or data with any one byte changed, or cut short anywhere',
    run: ({ SecureCellTokenProtect }) => {
      const cell = SecureCellTokenProtect.withKey(MASTER_KEY)
      const { data, token } = cell.encrypt(bytes('12345'))
      return [
        damaged(token).map(wrong => outcomeOf(() => cell.decrypt(data, wrong))),
        damaged(data).map(wrong => outcomeOf(() => cell.decrypt(wrong, token)))
      ]
    }
  },
  {
    name: 'Seal with a passphrase, as text and as bytes',
    run: ({ SecureCellSeal }) => {
      const passphrase = 'пароль 🔑'
      const asText = SecureCellSeal.withPassphrase(passphrase)
      const asBytes = SecureCellSeal.withPassphrase(bytes(passphrase) as unknown as string)
      const sealed = asText.encrypt(TEXT, CONTEXT)
      return [
        sealed.length,
        asBytes.decrypt(sealed, CONTEXT),
        outcomeOf(() => asBytes.decrypt(sealed)),
        outcomeOf(() => SecureCellSeal.withPassphrase('another').decrypt(sealed, CONTEXT)),
        outcomeOf(() => SecureCellSeal.withKey(bytes(passphrase)).decrypt(sealed, CONTEXT)),
        outcomeOf(() => asText.decrypt(SecureCellSeal.withKey(bytes(passphrase)).encrypt(TEXT))),
        withEach([...NOT_BYTES, EMPTY], value => loose(asText)['encrypt']?.(value)),
        withEach(NOT_BYTES.slice(2), value => loose(asText)['decrypt']?.(sealed, value))
      ]
    }
  }
]
