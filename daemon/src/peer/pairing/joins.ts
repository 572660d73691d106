import type { Clock } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { AuditLog } from '../../observe/audit/port.ts'
import type { Log } from '../../observe/log-port.ts'
import type { RandomBytes } from '../../random.ts'
import type { NodeId, Transport } from '../../transport/port.ts'
import { PairingChannel } from './channel.ts'
import type { PairingSecret, PairingTarget } from './code.ts'
import { PairingFault } from './fault.ts'
import { PAIR_PROTOCOL } from './frames.ts'
import { INVITATION_COUNT_MAX, RUN_TIMEOUT_MS } from './invitation.ts'
import { endOf, type TellPairing } from './outcome.ts'
import type { PairingSelf, PairingWishes } from './port.ts'
import { runJoiner } from './run.ts'
import { failedInAudit, type Settlements } from './settlements.ts'
import { assertAwake, spendOf, type Tries } from './tries.ts'

/** How long one address is tried. */
const DIAL_TIMEOUT_MS = 5_000

export interface JoinsDeps {
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly transport: Pick<Transport, 'dial'>
  readonly self: PairingSelf
  readonly tries: Tries
  readonly settlements: Settlements
  readonly audit: AuditLog
  readonly log: Log
  readonly liveNonces: Set<string>
  readonly tell: TellPairing
}

/** Invitations of others that this daemon's owner joins. */
export class Joins {
  readonly #deps: JoinsDeps
  readonly #joining = new Map<string, AbortController>()

  constructor(deps: JoinsDeps) {
    this.#deps = deps
  }

  /** Begins to join. @throws {DaemonError} `PAIRING_RESTING` `PAIRING_LIMIT` */
  start(pairing: string, secret: PairingSecret, target: PairingTarget, wishes: PairingWishes): void {
    assertAwake(this.#deps.tries)
    if (this.#joining.size >= INVITATION_COUNT_MAX) {
      throw new DaemonError('PAIRING_LIMIT', `${INVITATION_COUNT_MAX} invitations are being joined already.`)
    }
    const abort = new AbortController()
    this.#joining.set(pairing, abort)
    void this.#join(pairing, secret, target, wishes, abort.signal)
      .catch(error => this.#failed(pairing, error))
      .finally(() => {
        secret.secret.fill(0)
        this.#joining.delete(pairing)
      })
  }

  /** False where none of that ID is under way. */
  cancel(pairing: string): boolean {
    const abort = this.#joining.get(pairing)
    abort?.abort(new PairingFault('CANCELLED', 'the owner ended it'))
    return abort !== undefined
  }

  stop(): void {
    for (const pairing of [...this.#joining.keys()]) this.cancel(pairing)
  }

  async #join(
    pairing: string,
    secret: PairingSecret,
    target: PairingTarget,
    wishes: PairingWishes,
    signal: AbortSignal
  ): Promise<void> {
    const { self, randomBytes, liveNonces, tries, tell, settlements } = this.#deps
    tell(pairing, 'joiner', { state: 'dialling' })
    const channel = await this.#dial(target, signal)
    const cancelled = () => void channel.fail('CANCELLED', 'the owner ended it')
    signal.addEventListener('abort', cancelled, { once: true })
    tell(pairing, 'joiner', { state: 'connected' })
    let isComparing = false
    try {
      const match = await runJoiner(channel, secret, {
        ...{ self, randomBytes, liveNonces },
        comparing: () => {
          isComparing = true
          tell(pairing, 'joiner', { state: 'comparing' })
        },
        spend: () => spendOf(tries),
        matched: () => signal.throwIfAborted()
      })
      const redial = (nodeId: NodeId, addresses: readonly string[]) =>
        this.#dial(
          { nodeId, addresses: [...new Set([...target.addresses, ...addresses])] },
          new AbortController().signal
        )
      settlements.begin(pairing, match, wishes, channel, redial)
    } catch (error) {
      const isRefused = error instanceof PairingFault && error.code === 'PEER_CLOSED' && !error.isTold && !isComparing
      if (isRefused) throw noInvitation(error)
      throw error
    } finally {
      signal.removeEventListener('abort', cancelled)
    }
  }

  /** The first address that answers. @throws {DaemonError} what the last one said; `SELF` where that is this daemon; the signal's reason */
  async #dial({ nodeId, addresses }: PairingTarget, signal: AbortSignal): Promise<PairingChannel> {
    const { transport, clock, self } = this.#deps
    if (nodeId === self.nodeId) throw new DaemonError('SELF', 'That invitation is your own.')
    let last: unknown
    for (const address of addresses) {
      const late = new AbortController()
      const reason = new DaemonError('DIAL_FAILED', `Nothing answers at ${address}.`)
      const timer = clock.timer(DIAL_TIMEOUT_MS, () => late.abort(reason))
      try {
        const stream = await transport.dial({
          ...(nodeId !== undefined && { nodeId }),
          address,
          protocol: PAIR_PROTOCOL,
          signal: AbortSignal.any([signal, late.signal])
        })
        return new PairingChannel(stream, clock, RUN_TIMEOUT_MS)
      } catch (error) {
        signal.throwIfAborted()
        last = error
      } finally {
        timer.cancel()
      }
    }
    throw last
  }

  async #failed(pairing: string, error: unknown): Promise<void> {
    const { tell, log } = this.#deps
    const isNoted = error instanceof PairingFault || error instanceof DaemonError
    if (!isNoted) log.error({ err: error }, 'joining an invitation failed')
    const hungUp = error instanceof DaemonError && error.code === 'NOT_ACCEPTED' ? noInvitation(error) : error
    const end = endOf(hungUp)
    tell(pairing, 'joiner', { state: 'failed', ...end })
    await failedInAudit(this.#deps, pairing, end.code)
  }
}

function noInvitation(cause: unknown): DaemonError {
  return new DaemonError('NO_SUCH_INVITATION', 'The daemon there has no such invitation open.', { cause })
}
