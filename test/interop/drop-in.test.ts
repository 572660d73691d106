import * as dropInModule from '@parley/protocol/themis'
import { describe, expect, test } from 'vitest'
import { outcomeOf, type Themis } from './drop-in/case.ts'
import { CELL_CASES } from './drop-in/cell-cases.ts'
import { DIFFERENCES } from './drop-in/differences.ts'
import { KEY_CASES } from './drop-in/key-cases.ts'
import { PROTOCOL_CASES } from './drop-in/protocol-cases.ts'
import { loadWasmThemis } from './wasm-themis.ts'

const reference = await loadWasmThemis()
const ours = dropInModule as unknown as Themis

describe('a program gets the same from the drop-in as from wasm-themis', () => {
  test.each([...KEY_CASES, ...CELL_CASES, ...PROTOCOL_CASES])('$name', ({ run }) => {
    expect(outcomeOf(() => run(ours))).toEqual(outcomeOf(() => run(reference)))
  })
})

describe('the drop-in differs from wasm-themis on purpose', () => {
  test.each(DIFFERENCES)('$name', ({ run, wasmThemis, dropIn }) => {
    expect(outcomeOf(() => run(reference))).toEqual(wasmThemis)
    expect(outcomeOf(() => run(ours))).toEqual(dropIn)
  })
})
