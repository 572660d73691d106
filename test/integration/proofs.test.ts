import { expect, it } from 'vitest'
import { loadProofs } from '../prove/registry.ts'
import { freshSeed } from '../support/seeded-random.ts'

// Every proof in its short form: real daemons, real sockets.
for (const proof of await loadProofs()) {
  it(`${proof.name}: ${proof.describe}`, async () => {
    const seed = freshSeed()
    const lines: string[] = []
    const result = await proof.run({
      seed,
      size: 'short',
      log: line => lines.push(line),
      signal: AbortSignal.timeout(110_000)
    })
    expect(result, `seed ${seed}\n${lines.join('\n')}`).toMatchObject({ ok: true })
  }, 120_000)
}
