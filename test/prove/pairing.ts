import { type Client, connect } from '@parley/client-sdk'
import { parseLink } from '../../daemon/src/peer/pairing/code.ts'
import { type PairingHouse, Street } from '../../daemon/test/peer/pairing/street.ts'
import { type DaemonProcess, parleyBin, StartedProcess, startDaemon } from '../support/daemon-process.ts'
import { brokenNoise, type Meddle } from '../support/middle-man.ts'
import { makeTempHome, type TempHome } from '../support/temp-home.ts'
import { within } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'pairing'
export const describe =
  'two fresh homes, `parley pair` and what it prints typed into the other: verified contacts and a first message within 10 s; a wrong code three times kills it; nobody is verified alone'

const PAIRED_MS_MAX = 10_000
const WRONG_WORDS = ['abacus-abdomen', 'zoom-zoology'] as const

interface Host {
  readonly home: TempHome
  readonly daemon: DaemonProcess
  readonly client: Client
}

export async function run({ size, seed, log }: ProofOptions): Promise<ProofResult> {
  const rounds = size === 'full' ? 5 : 1
  const counts: Record<string, number> = {}
  const notes: string[] = []
  const check = (what: string, isSo: boolean): void => {
    const key = isSo ? 'kept' : 'broken'
    counts[key] = (counts[key] ?? 0) + 1
    if (!isSo) notes.push(what)
  }
  let worstMs = 0
  for (let round = 0; round < rounds; round++) {
    for (const form of ['link', 'code', 'stdin'] as const) {
      const ms = await inFreshHomes(form, check)
      worstMs = Math.max(worstMs, ms)
      log(`by ${form}: a first message after ${ms} ms`)
      if (size === 'short') break
    }
  }
  await wrongThreeTimes(check)
  log('a wrong code three times')
  await neverAlone(`${seed}`, check)
  check(`a first message took ${worstMs} ms`, worstMs < PAIRED_MS_MAX)
  return { ok: (counts['broken'] ?? 0) === 0, counts: { ...counts, rounds, firstMessageMsMax: worstMs }, notes }
}

type Check = (what: string, isSo: boolean) => void

/** From `parley pair` on the one to a message on the other. */
async function inFreshHomes(form: 'link' | 'code' | 'stdin', check: Check): Promise<number> {
  const [alice, bob] = await Promise.all([startHost('alice'), startHost('bob')])
  try {
    const start = performance.now()
    const { command, code, link } = await pairAt(alice)
    const { listen } = await alice.client.status()
    const args = { link: ['pair', link], code: ['pair', code, '--at', listen[0] ?? ''], stdin: ['pair', '-'] }[form]
    const joined = await bob.daemon.parley([...args, '--json'], { stdin: form === 'stdin' ? `${link}\n` : '' })
    const exit = await within('parley pair to end', 10_000, command.exited)
    const sent = await bob.daemon.parley(['send', 'alice', 'hello'])
    const heard = await alice.daemon.parley(['listen', '--count', '1', '--json', '--timeout', '10s'])
    const ms = Math.round(performance.now() - start)
    const [first, last] = command.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as object)
    check('the first line is the code and the link', Object.keys(first ?? {}).join() === 'code,link')
    check('the last line is the contact, verified', isVerified(last) && isVerified(JSON.parse(joined.stdout)))
    check(`both ended with 0: ${joined.code} ${exit.code} ${joined.stderr}`, joined.code === 0 && exit.code === 0)
    check(`the message was sent: ${sent.stderr}`, sent.code === 0)
    check(`the message arrived: ${heard.stderr}`, heard.code === 0 && JSON.parse(heard.stdout).text === 'hello')
    const trusts = await Promise.all([trustsOf(alice.client), trustsOf(bob.client)])
    check(`both are verified: ${trusts}`, trusts.join() === 'bob verified,alice verified')
    return ms
  } finally {
    await Promise.all([alice, bob].map(stopHost))
  }
}

function isVerified(line: unknown): boolean {
  return typeof line === 'object' && line !== null && 'contact' in line && 'verified' in line && line.verified === true
}

async function wrongThreeTimes(check: Check): Promise<void> {
  const [alice, bob] = await Promise.all([startHost('alice'), startHost('bob')])
  try {
    const { command, code } = await pairAt(alice)
    const { listen } = await alice.client.status()
    const wrong = `${code.slice(0, 2)}-${code.endsWith(WRONG_WORDS[0]) ? WRONG_WORDS[1] : WRONG_WORDS[0]}`
    const join = (typed: string) => bob.daemon.parley(['pair', typed, '--at', listen[0] ?? '', '--json'])
    for (let at = 0; at < 3; at++) {
      const { code: exit, stderr } = await join(wrong)
      check(`try ${at} ended with ${exit}: ${stderr}`, exit === 4 && stderr.includes('PAIRING_WRONG_CODE'))
    }
    const exit = await within('parley pair to end', 10_000, command.exited)
    check(`the inviter ended with ${exit.code}: ${command.stderr}`, exit.code === 4)
    check('the inviter says that the code is dead', command.stderr.includes('PAIRING_EXHAUSTED'))
    const late = await join(code)
    check(`the right code came too late: ${late.stderr}`, late.code === 8 && late.stderr.includes('NO_SUCH_INVITATION'))
    const trusts = await Promise.all([trustsOf(alice.client), trustsOf(bob.client)])
    check(`nobody has a contact: ${trusts}`, trusts.join('') === '')
  } finally {
    await Promise.all([alice, bob].map(stopHost))
  }
}

/** One side matches, or has all but the last word, and the other does not: every frame after the comparison lost once, and for ever. */
async function neverAlone(seed: string, check: Check): Promise<void> {
  const alter = (frame: Uint8Array) => [frame.with(frame.length - 1, (frame.at(-1) as number) ^ 1)]
  const cases: readonly (readonly [label: string, meddle: Meddle, isForEver: boolean, books: string])[] = [
    ['a changed message 4', at('inviter', [2], alter), false, ''],
    ['a lost message 4', at('inviter', [2], () => 'hang-up'), false, ''],
    ['a changed confirm of the joiner', at('joiner', [4], alter), false, ''],
    ['a changed confirm of the inviter', at('inviter', [4], alter), false, ''],
    ['a lost confirm of the joiner', at('joiner', [4], () => 'hang-up'), false, 'verified,verified'],
    ['a lost confirm of the inviter', at('inviter', [4], () => 'hang-up'), false, 'verified,verified'],
    ['a lost last word', at('joiner', [5], () => 'hang-up'), false, 'verified,verified'],
    // On later streams the inviter's frames are open and confirm, the joiner's resume, open and confirm.
    ['no confirm of the joiner, ever', at('joiner', [2, 3, 4], hangUpAt([3, 4])), true, ''],
    ['no confirm of the inviter, ever', at('inviter', [1, 4], hangUpAt([4])), true, '']
  ]
  for (const [label, meddle, isForEver, books] of cases) {
    const found = await meddled(`${seed} ${label}`, meddle, isForEver)
    check(`${label}: ${found}`, found === books)
  }
}

type Change = (frame: Uint8Array) => ReturnType<Meddle>

/** Cuts frames that begin with these bytes: 3 open, 4 confirm. */
function hangUpAt(kinds: readonly number[]): Change {
  return frame => (kinds.includes(frame[0] as number) ? 'hang-up' : [frame])
}

function at(speaker: 'joiner' | 'inviter', positions: readonly number[], change: Change): Meddle {
  return (from, index, frame) => (from === speaker && positions.includes(index) ? change(frame) : [frame])
}

/** What the two think of each other eleven minutes after. */
async function meddled(seed: string, meddle: Meddle, isForEver: boolean): Promise<string> {
  const street = new Street(seed)
  const pass: Meddle = (_from, _index, frame) => [frame]
  const current = { current: pass }
  const alice = await street.house('alice')
  const bob = await street.house('bob', transport => brokenNoise(transport, current))
  let isDone = false
  current.current = (from, index, frame) => {
    if (isDone) return [frame]
    const verdict = meddle(from, index, frame)
    const isTouched = verdict === 'hang-up' || 'back' in verdict || verdict[0] !== frame
    isDone = isTouched && !isForEver
    return verdict
  }
  const { link } = await alice.pairing.invite({})
  const { target, ...secret } = parseLink(link)
  bob.pairing.accept(secret, target, {})
  await street.clock.advance(11 * 60_000)
  const trusts = [alice, bob].flatMap(({ directory }: PairingHouse) => directory.list().map(({ trust }) => trust))
  await street.stop()
  return trusts.join()
}

async function pairAt(host: Host): Promise<{ command: StartedProcess; code: string; link: string }> {
  const command = new StartedProcess(parleyBin, ['pair', '--json'], {
    home: host.home.path,
    env: { PARLEY_HOME: host.home.path }
  })
  await command.printed(/"link".*\n/)
  return { command, ...(JSON.parse(command.stdout.split('\n')[0] ?? '') as { code: string; link: string }) }
}

async function trustsOf(client: Client): Promise<string> {
  return (await client.peers.list()).map(({ name, trust }) => `${name} ${trust}`).join()
}

async function startHost(id: string): Promise<Host> {
  const home = makeTempHome()
  const daemon = await startDaemon({ home: home.path, args: ['--id', id], env: { PARLEY_LOG_LEVEL: 'warn' } })
  return { home, daemon, client: await connect({ socket: daemon.socketPath }) }
}

async function stopHost({ home, daemon, client }: Host): Promise<void> {
  await client.close({ drain: false })
  await daemon[Symbol.asyncDispose]()
  home.remove()
}
