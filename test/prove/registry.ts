import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Proof } from './proof.ts'

/** Files of this folder that hold no proof. */
const MACHINERY = new Set(['main.ts', 'proof.ts', 'registry.ts', 'report.ts'])

/** Loads every proof of this folder, in the order of their names. */
export async function loadProofs(): Promise<readonly Proof[]> {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const files = readdirSync(folder).filter(
    file => file.endsWith('.ts') && !file.endsWith('.test.ts') && !MACHINERY.has(file)
  )
  return Promise.all(files.sort().map(loadProof))
}

async function loadProof(file: string): Promise<Proof> {
  const proof = (await import(new URL(file, import.meta.url).href)) as Partial<Proof>
  if (proof.name !== file.replace(/\.ts$/, '') || proof.describe === undefined || proof.run === undefined) {
    throw new Error(`test/prove/${file} must export name (its file's), describe and run`)
  }
  return proof as Proof
}
