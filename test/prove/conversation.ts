import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parleyBin, StartedProcess } from '../support/daemon-process.ts'
import { repositoryPath } from '../support/machine.ts'
import { Pair } from '../support/pair.ts'
import { BodyHash } from '../support/talk.ts'
import { within } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'conversation'
export const describe =
  "every line of this project's own sources, by command and by SDK, arrives in order, byte for byte; 0 B to 1 MiB"

const MiB = 1024 * 1024

/** The sources as they are, one text. */
function sources(size: ProofOptions['size']): string {
  const list = execFileSync('git', ['ls-files', '-z', '*.ts', '*.md', '*.json'], {
    cwd: repositoryPath,
    encoding: 'utf8'
  })
  const files = list
    .split('\0')
    .filter(file => file !== '' && !file.includes('vectors/') && file !== 'package-lock.json')
  return files
    .slice(0, size === 'full' ? undefined : 20)
    .map(file => readFileSync(join(repositoryPath, file), 'utf8'))
    .join('')
}

function lines(text: string): string[] {
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return all
}

/** Bodies of every interesting size, with bytes that are no text among them. */
function sizedBodies(): Uint8Array[] {
  const sizes = [0, 1, 2, 63, 64, 1_023, 1_024, 65_535, 65_536, 65_537, 262_144, MiB - 1, MiB]
  return sizes.map((size, index) => {
    const body = new Uint8Array(size)
    const seed = createHash('sha256').update(String(index)).digest()
    for (let at = 0; at < size; at++) body[at] = (seed[at % 32] as number) ^ (at >>> 5)
    return body
  })
}

export async function run({ size, log }: ProofOptions): Promise<ProofResult> {
  await using pair = await Pair.start()
  const { alice, bob } = pair
  const text = sources(size)
  const texts = lines(text)
  const bodies = sizedBodies()
  const expected = new BodyHash()
  const total = 2 * texts.length + 2 * bodies.length
  const listening = new StartedProcess(parleyBin, ['listen', '--json', '--count', String(total)], {
    home: bob.home.path,
    env: { PARLEY_HOME: bob.home.path }
  })
  await listening.printed(/listening/)
  const encoder = new TextEncoder()

  log(`${texts.length} lines by parley send --lines`)
  for (const line of texts) expected.add(encoder.encode(line))
  const sent = await alice.daemon.parley(['send', 'bob', '-', '--lines'], { stdin: text, timeoutMs: 120_000 })
  if (sent.code !== 0) throw new Error(`parley send --lines ended with ${sent.code}: ${sent.stderr}`)

  log(`${texts.length} lines by the SDK`)
  for (const line of texts) expected.add(encoder.encode(line))
  for (let at = 0; at < texts.length; at += 512) {
    await Promise.all(texts.slice(at, at + 512).map(line => alice.client.send('bob', line, { durable: false })))
  }

  log(`${bodies.length} sizes by parley send - and by the SDK`)
  for (const body of bodies) {
    expected.add(body)
    const one = await alice.daemon.parley(['send', 'bob', '-'], { stdin: body })
    if (one.code !== 0) throw new Error(`parley send of ${body.length} bytes ended with ${one.code}: ${one.stderr}`)
  }
  for (const body of bodies) {
    expected.add(body)
    await alice.client.send('bob', body, { durable: false })
  }

  const exit = await within('the listener to have all', 60_000, listening.exited)
  const heard = new BodyHash()
  for (const line of listening.stdout.trimEnd().split('\n'))
    heard.add(Buffer.from(JSON.parse(line).body as string, 'base64'))
  const ok = exit.code === 0 && heard.count === total && heard.digest() === expected.digest()
  return {
    ok,
    counts: { lines: texts.length, messages: total, heard: heard.count },
    notes: [`sha256 ${heard.digest()}`]
  }
}
