/** Who is linked to whom: everyone, each to the next one, all to the first one, or nobody. */
export type Topology = 'full' | 'line' | 'star' | 'none'

/** The links of `count` nodes, as pairs of indexes, the smaller one first. */
export function linkedPairs(topology: Topology, count: number): readonly (readonly [number, number])[] {
  const pairs: [number, number][] = []
  for (let b = 1; b < count; b++) {
    for (let a = 0; a < b; a++) {
      if (topology === 'full' || (topology === 'line' && a === b - 1) || (topology === 'star' && a === 0))
        pairs.push([a, b])
    }
  }
  return pairs
}
