import { type Client, connect } from '@parley/client-sdk'
import { SecureComparator } from '@parley/protocol'
import { SystemClock } from '../../daemon/src/actor/system-clock.ts'
import { parseCode, parseLink } from '../../daemon/src/peer/pairing/code.ts'
import { decodePairingFrame, encodePairingFrame } from '../../daemon/src/peer/pairing/frames.ts'
import { createLibp2pTransport } from '../../daemon/src/transport/libp2p.ts'
import type { NodeId } from '../../daemon/src/transport/port.ts'
import { cardOf, identityNamed } from '../../daemon/test/identity/identities.ts'
import { type PairingHouse, Street } from '../../daemon/test/peer/pairing/street.ts'
import { type DaemonProcess, startDaemon } from '../support/daemon-process.ts'
import { brokenNoise, type Meddle, MiddleMan, type Passed, POSITIONS, type Speaker } from '../support/middle-man.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { makeTempHome, type TempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'middle-man'
export const describe =
  'a man between two that pair, with keys of his own: rewrites, reflects, plays both, hangs up and replays at every position; never a contact, never a match, tries spent as promised'

/** Positions that come to pass while there is no match. */
const POSITION_COUNT = 3
const SIDES: readonly Speaker[] = ['joiner', 'inviter']
const COMPARATOR_BYTES = { 2: 352, 3: 256 } as const
const ARCHIVE_COUNT_MAX = 60
/** Runs on one pair of real daemons: each has ten tries in ten minutes, and no run spends more than one. */
const RUNS_PER_PAIR = 9

interface Attack {
  /** Counted under this name. */
  readonly label: string
  readonly meddle: Meddle
}

interface Tools {
  readonly random: SeededRandom
  /** Frames of older runs. */
  readonly archive: readonly Passed[]
}

type MakeAttack = (tools: Tools) => Attack

/** Every kind of attack, each at every position where it makes sense. */
function attacks(): readonly MakeAttack[] {
  const makers: MakeAttack[] = [() => ({ label: 'carry', meddle: (_from, _index, frame) => [frame] })]
  for (const side of SIDES) {
    makers.push(() => ({
      label: `reflect ${side}`,
      meddle: (from, _index, frame) => (from === side ? { back: [frame] } : [frame])
    }))
    for (let index = 0; index < POSITION_COUNT; index++) {
      const where = `${side} ${POSITIONS[side][index]}`
      const here = (label: string, change: (frame: Uint8Array, tools: Tools) => ReturnType<Meddle>): MakeAttack => {
        return tools => ({
          label: `${label} ${where}`,
          meddle: (from, at, frame) => (from === side && at === index ? change(frame, tools) : [frame])
        })
      }
      makers.push(
        here('hang up before', () => 'hang-up'),
        here('change', (frame, { random }) => [flipped(frame, random)]),
        here('junk for', (frame, { random }) => [random.bytes(frame.length)]),
        here('twice', frame => [frame, frame]),
        here('nothing for', () => []),
        here('replay for', (frame, { archive, random }) => {
          const old = archive.filter(({ from, index: at }) => from === side && at === index)
          return [old.length === 0 ? frame : random.pick(old).sent]
        })
      )
    }
    for (const field of ['form', 'nameplate', 'nonce', 'commitment'] as const) {
      makers.push(tools => ({
        label: `${field} in the hello of ${side}`,
        meddle: (from, index, frame) =>
          from === side && index === 0 ? [helloWith(field, frame, tools.random)] : [frame]
      }))
    }
  }
  makers.push(playBoth('with a guess'), playBoth('with messages of one run in the other'))
  return makers
}

function flipped(frame: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(frame.length)
  return frame.with(at, (frame[at] as number) ^ (1 << random.below(8)))
}

function helloWith(
  field: 'form' | 'nameplate' | 'nonce' | 'commitment',
  frame: Uint8Array,
  random: SeededRandom
): Uint8Array {
  const decoded = decodePairingFrame(frame)
  if (decoded.kind !== 'hello') throw new TypeError('the first frame of a side is its hello')
  const { hello } = decoded
  const changed = {
    form: hello.form === 'code' ? 'link' : 'code',
    nameplate: String((Number(hello.nameplate) + 1) % 100).padStart(2, '0'),
    nonce: random.bytes(32),
    commitment: random.bytes(32)
  }
  return encodePairingFrame({ kind: 'hello', hello: { ...hello, [field]: changed[field] } as typeof hello })
}

/** He answers each side himself, as the other one, by comparators of his own that hold a guess; or gives each what he got from the other. */
function playBoth(how: 'with a guess' | 'with messages of one run in the other'): MakeAttack {
  return ({ random }) => {
    const make = () => {
      const comparator = new SecureComparator({ randomBytes: length => random.bytes(length) })
      comparator.append(random.bytes(40))
      return comparator
    }
    const towardsJoiner = make()
    const towardsInviter = make()
    const comparison = (message: Uint8Array | undefined): Uint8Array[] =>
      message === undefined ? [] : [encodePairingFrame({ kind: 'comparison', message })]
    const reply = (comparator: SecureComparator, frame: Uint8Array): Uint8Array[] => {
      const decoded = decodePairingFrame(frame)
      return decoded.kind === 'comparison' && !comparator.finished
        ? comparison(comparator.receive(decoded.message))
        : []
    }
    const isMixed = how !== 'with a guess'
    return {
      label: `both roles, ${how}`,
      meddle(from, index, frame) {
        if (index === 0) return [frame]
        if (from === 'joiner') {
          // The joiner's own message 3 goes on where he mixes; else the joiner talks to him alone.
          if (isMixed) return index === 1 ? comparison(towardsInviter.begin()) : [frame]
          return { back: reply(towardsJoiner, frame) }
        }
        return isMixed ? [frame] : { back: reply(towardsInviter, frame) }
      }
    }
  }
}

class Tally {
  readonly counts: Record<string, number> = {}
  readonly wrong: string[] = []
  runs = 0

  add(what: string, count = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + count
  }

  fault(what: string): void {
    this.add('wrong')
    if (this.wrong.length < 10) this.wrong.push(what)
  }

  /** How many runs each position was touched in, and each kind of attack came up in. */
  note({ label }: Attack, passed: readonly Passed[]): void {
    this.runs++
    this.add(`attack: ${label}`)
    for (const { from, index, sent, forwarded } of passed) {
      const isTouched = forwarded.length !== 1 || Buffer.compare(forwarded[0] as Uint8Array, sent) !== 0
      if (isTouched) this.add(`touched: ${from} ${POSITIONS[from][index] ?? 'later'}`)
    }
  }
}

/**
 * What the tries must be, seen from the wire. The joiner spends one before its message 3 leaves: one that was on its way when the stream ended may be spent
 * too. The inviter spends one when, after its message 2, the next frame is as long as a message 3.
 */
function expectedTries({ passed, reached }: MiddleMan): { joiner: readonly number[]; inviter: number } {
  const isMessage = (frame: Uint8Array | undefined, number: 2 | 3) =>
    frame !== undefined && frame[0] === 2 && frame.length === COMPARATOR_BYTES[number] + 1
  const sent = (from: Speaker, index: number) => passed.find(one => one.from === from && one.index === index)?.sent
  const joiner = isMessage(sent('joiner', 2), 3) ? [1] : isMessage(reached.joiner[1], 2) ? [0, 1] : [0]
  const hasAnswered = isMessage(sent('inviter', 1), 2)
  return { joiner, inviter: hasAnswered && isMessage(reached.inviter[2], 3) ? 1 : 0 }
}

export async function run({ size, seed, log, signal }: ProofOptions): Promise<ProofResult> {
  const runs = size === 'full' ? 875 : 120
  const strongRuns = size === 'full' ? 100 : 16
  const realRuns = size === 'full' ? 25 : 3
  const tally = new Tally()
  await inMemory(runs, seed, tally, log, signal)
  await throughNoise(strongRuns, seed, tally, signal)
  await betweenDaemons(realRuns, seed, tally, log, signal)
  const { wrong = 0, ...counts } = tally.counts
  // Nothing is left to forge in the last word.
  const positions = SIDES.flatMap(side => POSITIONS[side].slice(0, -1).map(at => `touched: ${side} ${at}`))
  const untouched = positions.filter(position => counts[position] === undefined)
  const notes = [...tally.wrong, ...untouched.map(position => `never ${position}`)]
  return { ok: wrong === 0 && untouched.length === 0, counts: { runs: tally.runs, wrong, ...counts }, notes }
}

async function inMemory(
  runs: number,
  seed: string,
  tally: Tally,
  log: (line: string) => void,
  signal: AbortSignal
): Promise<void> {
  const street = new Street(seed)
  const [alice, bob] = [await street.house('alice'), await street.house('bob')]
  const man = await MiddleMan.start(street.transport(identityNamed('mallory'), ['/ip4/127.0.0.1/tcp/9999']))
  const random = seededRandom(`${seed}/memory`)
  const makers = attacks()
  const archive: Passed[] = []
  let restedMs = 0
  for (let at = 0; at < runs; at++) {
    signal.throwIfAborted()
    // Every kind in turn; then again with other bits.
    const attack = (makers[at % makers.length] as MakeAttack)({ random, archive })
    await runInMemory(street, { alice, bob }, man, attack, tally)
    archive.push(...man.passed)
    archive.splice(0, Math.max(0, archive.length - ARCHIVE_COUNT_MAX))
    // Tries that grow old in the middle of a run would be hard to count.
    const isOld = street.clock.monotonicMs() - restedMs > 5 * 60_000
    if (isOld || Math.max(alice.tries.spentCount, bob.tries.spentCount) >= 9) {
      tally.add('rests')
      await street.clock.advance(10 * 60_000)
      restedMs = street.clock.monotonicMs()
    }
    if ((at + 1) % 200 === 0) log(`${at + 1} runs on the memory transport`)
  }
  await man.transport.stop()
  await street.stop()
}

async function runInMemory(
  street: Street,
  { alice, bob }: { alice: PairingHouse; bob: PairingHouse },
  man: MiddleMan,
  attack: Attack,
  tally: Tally
): Promise<void> {
  const invited = await alice.pairing.invite({})
  const before = { inviter: alice.tries.spentCount, joiner: bob.tries.spentCount }
  man.attack({ address: alice.address, nodeId: alice.keyring.nodeId }, attack.meddle)
  const { pairing } = bob.pairing.accept(parseCode(invited.code), { nodeId: undefined, addresses: [man.address] }, {})
  await street.until(() => ['failed', 'verified'].includes(bob.last(pairing)?.state ?? ''), 60_000)
  // The inviter's end may be its deadline.
  await street.until(() => !['connected', 'comparing'].includes(alice.last(invited.pairing)?.state ?? ''), 60_000)
  // What is on its way arrives.
  await street.clock.advance(20)
  tally.note(attack, man.passed)
  const states = [...alice.states(invited.pairing), ...bob.states(pairing)]
  if (states.some(state => state === 'matched' || state === 'verified')) tally.fault(`${attack.label}: a match`)
  if (alice.directory.size + bob.directory.size > 0) tally.fault(`${attack.label}: a contact`)
  const wanted = expectedTries(man)
  const spent = {
    inviter: alice.tries.spentCount - before.inviter,
    joiner: bob.tries.spentCount - before.joiner,
    told: alice.states(invited.pairing).filter(state => state === 'wrong-code').length
  }
  if (!wanted.joiner.includes(spent.joiner)) tally.fault(`${attack.label}: the joiner spent ${spent.joiner}`)
  if (spent.inviter !== wanted.inviter) tally.fault(`${attack.label}: the inviter spent ${spent.inviter}`)
  if (spent.told !== wanted.inviter) tally.fault(`${attack.label}: the inviter told of ${spent.told}`)
  tally.add('triesOfInviter', spent.inviter)
  tally.add('triesOfJoiner', spent.joiner)
  if (states.at(-1) !== undefined && alice.last(invited.pairing)?.state !== 'failed')
    alice.pairing.cancel(invited.pairing)
  alice.events.length = 0
  bob.events.length = 0
}

/**
 * Cards and confirms come only after a match, which a man with other node IDs never sees. So here he has broken Noise, and with the very node IDs of the two changes, swaps
 * or makes up what they open and sign: still no contact.
 */
async function throughNoise(runs: number, seed: string, tally: Tally, signal: AbortSignal): Promise<void> {
  const random = seededRandom(`${seed}/noise`)
  const forgers: readonly (readonly [string, (frame: Uint8Array) => Uint8Array])[] = [
    ['change', frame => flipped(frame, random)],
    ['junk for', frame => Uint8Array.from([frame[0] as number, ...random.bytes(frame.length - 1)])],
    ['own one for', frame => forged(frame)]
  ]
  for (let at = 0; at < runs; at++) {
    signal.throwIfAborted()
    const side = SIDES[at % 2] as Speaker
    const index = POSITION_COUNT + (Math.floor(at / 2) % 2)
    const [how, forge] = forgers[Math.floor(at / 4) % forgers.length] as (typeof forgers)[number]
    const label = `through Noise, ${how} ${side} ${POSITIONS[side][index]}`
    const street = new Street(`${seed} ${at}`)
    const passed: Passed[] = []
    // By what they are: on a later stream they have other numbers.
    const meddle: Meddle = (from, now, frame) => {
      const isIt = from === side && frame[0] === index
      const forwarded = [isIt ? forge(frame) : frame]
      passed.push({ from, index: isIt ? index : now, sent: frame, forwarded })
      return forwarded
    }
    const alice = await street.house('alice')
    const bob = await street.house('bob', transport => brokenNoise(transport, { current: meddle }))
    const { target, ...secret } = parseLink((await alice.pairing.invite({})).link)
    bob.pairing.accept(secret, target, {})
    await street.clock.advance(11 * 60_000)
    tally.note({ label, meddle }, passed)
    if (alice.directory.size + bob.directory.size > 0) tally.fault(`${label}: a contact`)
    await street.stop()
  }
}

/** A card and a confirm that hold, of somebody else. */
function forged(frame: Uint8Array): Uint8Array {
  const decoded = decodePairingFrame(frame)
  const mallory = identityNamed('mallory')
  if (decoded.kind === 'open') return encodePairingFrame({ ...decoded, card: cardOf(mallory).bytes })
  if (decoded.kind !== 'confirm') throw new TypeError('only cards and confirms are forged')
  return encodePairingFrame({ kind: 'confirm', signed: mallory.signStatement(decoded.signed) })
}

interface Host {
  readonly home: TempHome
  readonly daemon: DaemonProcess
  readonly client: Client
}

async function startHost(id: string): Promise<Host> {
  const home = makeTempHome()
  const daemon = await startDaemon({
    home: home.path,
    args: ['--id', id],
    env: { PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'warn' }
  })
  return { home, daemon, client: await connect({ socket: daemon.socketPath }) }
}

async function stopHost({ home, daemon, client }: Host): Promise<void> {
  await client.close({ drain: false })
  await daemon[Symbol.asyncDispose]()
  home.remove()
}

async function betweenDaemons(
  runs: number,
  seed: string,
  tally: Tally,
  log: (line: string) => void,
  signal: AbortSignal
): Promise<void> {
  const random = seededRandom(`${seed}/real`)
  // What leaves one side waiting for its deadline takes 15 s of real time: those are shown on the memory transport.
  const makers = attacks().filter(make => {
    const { label } = make({ random, archive: [] })
    return !/^(nothing|twice|reflect|both)/.test(label)
  })
  const transport = await createLibp2pTransport({
    privateKeySeed: random.bytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    clock: new SystemClock(),
    admission: {
      unprovenCountMax: 32,
      connectionsPerSecondPerAddress: 1_000,
      connectionsPerSecondPerNode: 1_000,
      unprovenDeadlineMs: 30_000
    }
  })
  const man = await MiddleMan.start(transport)
  const archive: Passed[] = []
  try {
    for (let done = 0; done < runs; done += RUNS_PER_PAIR) {
      const hosts = await Promise.all([startHost('alice'), startHost('bob')])
      try {
        for (let at = done; at < Math.min(runs, done + RUNS_PER_PAIR); at++) {
          signal.throwIfAborted()
          const attack = random.pick(makers)({ random, archive })
          await runBetween(hosts, man, attack, tally)
          archive.push(...man.passed)
        }
      } finally {
        await Promise.all(hosts.map(stopHost))
      }
      log(`${Math.min(runs, done + RUNS_PER_PAIR)} runs between real daemons`)
    }
  } finally {
    await transport.stop()
  }
}

async function runBetween(
  [alice, bob]: readonly [Host, Host],
  man: MiddleMan,
  attack: Attack,
  tally: Tally
): Promise<void> {
  const { nodeId, listen } = await alice.client.status()
  const told: string[] = []
  let triesLeft = 3
  const invitation = await alice.client.pairing.invite({
    onProgress: progress => {
      told.push(progress.state)
      triesLeft = progress.triesLeft ?? triesLeft
    }
  })
  man.attack({ address: listen[0] ?? '', nodeId: nodeId as NodeId }, attack.meddle)
  const joining = await bob.client.pairing.join(invitation.code, {
    at: man.address,
    onProgress: ({ state }) => told.push(state)
  })
  const outcome = await joining.done().then(
    () => 'verified',
    error => (error as { code?: string }).code ?? 'unknown'
  )
  await until('the inviter to be done with the run', () => !['connected', 'comparing'].includes(told.at(-1) ?? ''))
  tally.note(attack, man.passed)
  tally.add('realRuns')
  if (outcome === 'verified' || told.includes('matched') || told.includes('verified'))
    tally.fault(`real, ${attack.label}: a match`)
  const peers = [...(await alice.client.peers.list()), ...(await bob.client.peers.list())]
  if (peers.length > 0) tally.fault(`real, ${attack.label}: a contact`)
  const { inviter } = expectedTries(man)
  if (3 - triesLeft !== inviter) tally.fault(`real, ${attack.label}: the inviter spent ${3 - triesLeft}`)
  tally.add('realTriesOfInviter', 3 - triesLeft)
  await invitation.cancel()
}
