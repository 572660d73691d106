import { describe, expect, it } from 'vitest'
import { linkedPairs } from '../../src/testnet/topology.ts'

describe('the links of four nodes', () => {
  it('join everyone, each to the next, all to the first, or nobody', () => {
    expect(linkedPairs('full', 4)).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 3],
      [1, 3],
      [2, 3]
    ])
    expect(linkedPairs('line', 4)).toEqual([
      [0, 1],
      [1, 2],
      [2, 3]
    ])
    expect(linkedPairs('star', 4)).toEqual([
      [0, 1],
      [0, 2],
      [0, 3]
    ])
    expect(linkedPairs('none', 4)).toEqual([])
  })

  it('are 45 for a full network of ten, and none for one node', () => {
    expect(linkedPairs('full', 10)).toHaveLength(45)
    expect(linkedPairs('full', 1)).toEqual([])
  })
})
