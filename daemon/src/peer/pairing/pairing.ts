import type { ErrorCode, EventBody } from '@parley/client-sdk/contract'
import type { Clock } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { hexOf } from '../../identity/fields.ts'
import { parseName } from '../../identity/names.ts'
import type { AuditLog } from '../../observe/audit/port.ts'
import type { Log } from '../../observe/log-port.ts'
import type { RandomBytes } from '../../random.ts'
import type { ByteStream, NodeId, Transport } from '../../transport/port.ts'
import { PairingChannel } from './channel.ts'
import { drawWords, formatCode, formatLink, LINK_SECRET_BYTES, type PairingSecret, type PairingTarget } from './code.ts'
import { PairingFault } from './fault.ts'
import { PAIR_PROTOCOL, type PairingHello } from './frames.ts'
import { INVITATION_COUNT_MAX, INVITATION_MS, Invitation, type InvitationEnd, RUN_TIMEOUT_MS } from './invitation.ts'
import { Joins } from './joins.ts'
import { endOf, type TellPairing } from './outcome.ts'
import type { PairingContacts, PairingSelf, PairingWishes } from './port.ts'
import { type Match, type RunDeps, runInviter } from './run.ts'
import { failedInAudit, Settlements } from './settlements.ts'
import { assertAwake, spendOf, type Tries } from './tries.ts'

/** Streams under way that came in. */
const STREAM_COUNT_MAX = 16
const PAIRING_ID_BYTES = 16
const NAMEPLATE_COUNT = 100

const END_CODES: Readonly<Record<Exclude<InvitationEnd, 'matched'>, readonly [code: ErrorCode, detail: string]>> = {
  tries: ['PAIRING_EXHAUSTED', 'three wrong tries: the code is dead'],
  runs: ['PAIRING_EXHAUSTED', 'too many runs were started: the code is dead'],
  expired: ['PAIRING_EXPIRED', 'nobody joined within ten minutes'],
  cancelled: ['PAIRING_CANCELLED', 'the invitation was ended']
}

export interface PairingDeps {
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly transport: Pick<Transport, 'dial' | 'handle' | 'unhandle'>
  readonly self: PairingSelf
  readonly contacts: PairingContacts
  readonly tries: Tries
  readonly audit: AuditLog
  readonly log: Log
  /** Whether this node ID is that of a blocked contact. */
  isBlocked(nodeId: NodeId): boolean
  emit(body: EventBody): void
  count(name: string): void
}

/** An open invitation, as its owner passes it on. */
export interface Invited {
  readonly pairing: string
  readonly code: string
  readonly link: string
  /** Unix milliseconds by the clock now; what counts is the monotonic one. */
  readonly expiresAt: number
}

/** Pairing as the socket's methods see it. Every failure is a `DaemonError`. */
export interface PairingApi {
  invite(wishes: PairingWishes): Promise<Invited>
  /** Begins to join an invitation; events tell how it goes. */
  accept(secret: PairingSecret, target: PairingTarget, wishes: PairingWishes): { readonly pairing: string }
  /** @throws {DaemonError} `NO_SUCH_INVITATION` */
  cancel(pairing: string): void
}

/**
 * Open invitations, runs under way in both roles, and what follows a match. The protocol is registered while an invitation is open or a
 * match waits for its joiner; strangers learn that, and nothing else.
 *
 * Each run is a function that awaits its stream, its disk and its deadline: none has state that another one sees, but for the counters
 * of its invitation and of {@link Tries}.
 */
export class Pairing implements PairingApi {
  readonly #deps: PairingDeps
  readonly #settlements: Settlements
  readonly #joins: Joins
  readonly #liveNonces = new Set<string>()
  /** By nameplate. */
  readonly #invitations = new Map<string, Invitation>()
  /** Of runs under way, by pairing. */
  readonly #runs = new Map<string, PairingChannel>()
  #streamCount = 0
  #isHandled = false
  #isStopped = false
  #handling: Promise<void> = Promise.resolve()

  constructor(deps: PairingDeps) {
    this.#deps = deps
    const changed = () => void this.#handleAsNeeded()
    this.#settlements = new Settlements({ ...deps, tell: this.#tell, changed })
    const { clock, transport, log, audit, tries, self, randomBytes } = deps
    this.#joins = new Joins({
      ...{ clock, transport, log, audit, tries, self, randomBytes, tell: this.#tell },
      liveNonces: this.#liveNonces,
      settlements: this.#settlements
    })
  }

  /** Whether a node that is no contact in good standing may connect, for pairing alone. */
  admits(nodeId: NodeId): boolean {
    const isExpected = this.#invitations.size > 0 || this.#settlements.awaits(nodeId)
    return isExpected && !this.#isStopped && !this.#deps.isBlocked(nodeId)
  }

  async invite(wishes: PairingWishes): Promise<Invited> {
    const { tries, clock, randomBytes, self, audit } = this.#deps
    this.#assertRunning()
    assertAwake(tries)
    if (this.#invitations.size >= INVITATION_COUNT_MAX) {
      throw new DaemonError('PAIRING_LIMIT', `There are ${INVITATION_COUNT_MAX} open invitations already.`)
    }
    const { addresses, nodeId } = self.card()
    if (addresses.length === 0) {
      throw new DaemonError('NOT_SUPPORTED', 'This daemon listens nowhere: invite from the other side.')
    }
    const pairing = hexOf(randomBytes(PAIRING_ID_BYTES))
    const nameplate = this.#freeNameplate()
    const words = drawWords(randomBytes)
    const linkSecret = randomBytes(LINK_SECRET_BYTES).slice()
    const link = formatLink(nameplate, linkSecret, { nodeId, addresses })
    const invitation: Invitation = new Invitation({
      ...{ pairing, nameplate, words, linkSecret, clock },
      wishes: canonicalWishes(wishes),
      ended: end => this.#ended(invitation, end)
    })
    this.#invitations.set(nameplate, invitation)
    try {
      await this.#handleAsNeeded()
      await audit.record({ action: 'pairing.opened', subject: pairing, by: 'local' })
    } catch (error) {
      invitation.end('cancelled')
      throw error
    }
    this.#tell(pairing, 'inviter', { state: 'open', triesLeft: invitation.triesLeft })
    return { pairing, code: formatCode(nameplate, words), link, expiresAt: clock.wallMs() + INVITATION_MS }
  }

  accept(secret: PairingSecret, target: PairingTarget, wishes: PairingWishes): { readonly pairing: string } {
    this.#assertRunning()
    const pairing = hexOf(this.#deps.randomBytes(PAIRING_ID_BYTES))
    this.#joins.start(pairing, secret, target, canonicalWishes(wishes))
    return { pairing }
  }

  cancel(pairing: string): void {
    const invitation = [...this.#invitations.values()].find(open => open.pairing === pairing)
    if (invitation !== undefined) {
      invitation.end('cancelled')
      this.#runs.get(pairing)?.fail('CANCELLED', 'the owner ended it')
    } else if (!this.#joins.cancel(pairing) && !this.#settlements.cancel(pairing)) {
      throw new DaemonError('NO_SUCH_INVITATION', 'There is no such pairing, or it is over.')
    }
  }

  /** Ends every invitation and run, and takes back whatever is not verified. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const invitation of this.#invitations.values()) invitation.end('cancelled')
    for (const channel of this.#runs.values()) channel.fail('CANCELLED', 'the daemon is stopping')
    this.#joins.stop()
    await this.#settlements.stop()
    await this.#handleAsNeeded()
  }

  readonly #tell: TellPairing = (pairing, role, news) => {
    this.#deps.emit({ kind: 'pairing.state', pairing, role, ...news })
  }

  #inbound(stream: ByteStream): void {
    if (this.#isStopped || this.#streamCount >= STREAM_COUNT_MAX || this.#deps.isBlocked(stream.nodeId)) {
      stream.reset('no pairing now')
      return
    }
    this.#streamCount++
    const channel = new PairingChannel(stream, this.#deps.clock, RUN_TIMEOUT_MS)
    void this.#serve(channel).finally(() => {
      this.#streamCount--
    })
  }

  async #serve(channel: PairingChannel): Promise<void> {
    try {
      const frame = await channel.next('hello', 'resume')
      if (frame.kind === 'resume') this.#settlements.resume(channel, frame.binding)
      else await this.#run(channel, frame.hello)
    } catch (error) {
      if (error instanceof PairingFault) {
        this.#deps.count(`pairing_${error.code}`)
        return
      }
      this.#deps.log.error({ err: error }, 'a run of pairing failed')
      channel.fail('PEER_CLOSED', 'the run failed')
    }
  }

  /** One run on an invitation. Who names none that is open, or comes while another is here, is cut off without a word. */
  async #run(channel: PairingChannel, hello: PairingHello): Promise<void> {
    const invitation = this.#invitations.get(hello.nameplate)
    const secret = this.#deps.tries.restMs > 0 ? undefined : invitation?.begin(hello.form)
    if (invitation === undefined || secret === undefined) {
      channel.fail('PEER_CLOSED', 'no such invitation, or it has a run already')
      return
    }
    const { pairing, wishes } = invitation
    this.#runs.set(pairing, channel)
    this.#tell(pairing, 'inviter', { state: 'connected' })
    const before = invitation.triesLeft
    let match: Match
    try {
      match = await runInviter(channel, hello, secret, this.#runDeps(invitation))
    } catch (error) {
      const { triesLeft } = invitation
      const state = triesLeft < before ? 'wrong-code' : 'open'
      this.#tell(pairing, 'inviter', { state, triesLeft, ...endOf(error) })
      throw error
    } finally {
      secret.secret.fill(0)
      this.#runs.delete(pairing)
      invitation.finish()
    }
    this.#settlements.begin(pairing, match, wishes, channel)
  }

  #runDeps(invitation: Invitation): RunDeps {
    const { self, randomBytes, tries } = this.#deps
    const assertOpen = () => {
      if (!invitation.isOpen) throw new PairingFault('CANCELLED', 'the invitation was ended')
    }
    return {
      self,
      randomBytes,
      liveNonces: this.#liveNonces,
      comparing: () => this.#tell(invitation.pairing, 'inviter', { state: 'comparing' }),
      spend: async () => {
        assertOpen()
        if (tries.restMs > 0) throw new PairingFault('RESTING', 'too many tries were spent')
        invitation.spend()
        const spent = await spendOf(tries)
        assertOpen()
        return spent
      },
      matched: () => {
        assertOpen()
        invitation.match()
      }
    }
  }

  #ended(invitation: Invitation, end: InvitationEnd): void {
    this.#invitations.delete(invitation.nameplate)
    void this.#handleAsNeeded()
    if (end === 'matched' || this.#isStopped) return
    const [code, detail] = END_CODES[end]
    this.#tell(invitation.pairing, 'inviter', { state: 'failed', code, detail })
    void failedInAudit(this.#deps, invitation.pairing, code)
  }

  /** Registers the protocol while somebody may come, one change after the other. */
  #handleAsNeeded(): Promise<void> {
    const { transport } = this.#deps
    this.#handling = this.#handling.then(async () => {
      const isNeeded = !this.#isStopped && (this.#invitations.size > 0 || this.#settlements.awaitedCount > 0)
      if (isNeeded === this.#isHandled) return
      this.#isHandled = isNeeded
      if (isNeeded) await transport.handle(PAIR_PROTOCOL, stream => this.#inbound(stream))
      else await transport.unhandle(PAIR_PROTOCOL)
    })
    return this.#handling
  }

  #freeNameplate(): string {
    for (;;) {
      const number = (this.#deps.randomBytes(1)[0] as number) % NAMEPLATE_COUNT
      const nameplate = String(number).padStart(2, '0')
      if (!this.#invitations.has(nameplate)) return nameplate
    }
  }

  #assertRunning(): void {
    if (this.#isStopped) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
  }
}

/** @throws {DaemonError} `NAME_INVALID` */
function canonicalWishes({ name, renew }: PairingWishes): PairingWishes {
  return { ...(name !== undefined && { name: parseName(name) }), ...(renew !== undefined && { renew }) }
}
