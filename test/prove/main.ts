// npm run prove -- NAME ... | all | list [--seed TEXT] [--short]
//
// Prints one JSON object a line for each proof on standard output, and progress on standard error. Ends with 0 when all that
// were asked for are kept, and with 1 otherwise.
import { parseArgs } from 'node:util'
import { freshSeed } from '../support/seeded-random.ts'
import type { Proof, ProofOptions } from './proof.ts'
import { loadProofs } from './registry.ts'
import { report } from './report.ts'

/** All proofs together, at full size. */
const TOTAL_TIME_MS = 60 * 60 * 1_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, short: { type: 'boolean', default: false } }
})
const proofs = await loadProofs()

function usage(problem: string): never {
  const names = proofs.map(proof => `  ${proof.name.padEnd(24)} ${proof.describe}`)
  process.stderr.write(
    `${problem}\n\nnpm run prove -- NAME ... | all | list [--seed TEXT] [--short]\n\n${names.join('\n')}\n`
  )
  process.exit(1)
}

function chosen(): readonly Proof[] {
  if (positionals.length === 0) usage('Which proof?')
  if (positionals.includes('all')) return proofs.length > 0 ? proofs : usage('There is no proof yet.')
  return positionals.map(name => proofs.find(proof => proof.name === name) ?? usage(`There is no proof named ${name}.`))
}

if (positionals[0] === 'list') {
  for (const { name, describe } of proofs) process.stdout.write(`${JSON.stringify({ name, describe })}\n`)
} else {
  const options: ProofOptions = {
    seed: values.seed ?? freshSeed(),
    size: values.short ? 'short' : 'full',
    log: line => process.stderr.write(`${line}\n`),
    signal: AbortSignal.timeout(TOTAL_TIME_MS)
  }
  for (const proof of chosen()) {
    options.log(`${proof.name}: ${proof.describe} (seed ${options.seed})`)
    const done = await report(proof, options)
    process.stdout.write(`${JSON.stringify(done)}\n`)
    if (!done.ok) process.exitCode = 1
  }
}
