import type { TransferInfo, TransferState } from '@parley/client-sdk/contract'
import type { Actor, Exit } from '../../actor/actor.ts'
import type { Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { Contact } from '../../peer/contact.ts'
import type { EndCode } from '../../peer/fault.ts'
import type { TransferApp } from './api.ts'
import type { TransferFrame } from './frames.ts'
import type { TransferLink, TransferLinkOwner } from './transfer-link.ts'

/** How a transfer ended for good. */
export type TransferOutcome =
  | { readonly type: 'done'; readonly sha256: string }
  | { readonly type: 'cancelled'; readonly by: 'here' | 'peer'; readonly code: string; readonly text: string }

export interface TransferLimits {
  readonly backOffMinMs: number
  readonly backOffMaxMs: number
  readonly dialTimeoutMs: number
  readonly dialIntervalMs: number
  readonly transferWindowBytes: number
  readonly transferKeptMs: number
  readonly transferOfferMs: number
  readonly pushBytesMax: number
}

/** What is told of a file when it is offered. */
export interface TransferSubject {
  /** 32 hexadecimal characters. */
  readonly id: string
  readonly name: string
  readonly size: number
}

export interface TransferDeps {
  readonly subject: TransferSubject
  readonly limits: TransferLimits
  /** The contact as it is now; undefined once it may not be spoken to. */
  contact(): Contact | undefined
  /** What `describe` says is different. */
  changed(): void
  /** The transfer is over: it is to be forgotten but for its outcome, if there is one. */
  over(outcome: TransferOutcome | undefined): void
  /** Takes a link that only has to end, after a last word. */
  linger(link: TransferLink, last?: TransferFrame): void
}

export type TransferTimerMail = { readonly type: 'forget-due' } | { readonly type: 'app-gone'; readonly key: object }

/** What both ends of a file share: the program that has it, the stream, and how it is forgotten. */
export abstract class Transfer<Mail> implements TransferLinkOwner {
  readonly subject: TransferSubject
  protected readonly actor: Actor<Mail | TransferTimerMail>
  protected readonly deps: TransferDeps
  protected app: TransferApp | undefined
  protected link: TransferLink | undefined
  protected outcome: TransferOutcome | undefined
  protected lastEnd: EndCode | undefined
  readonly #createdAt: number
  #forgetting: Timer | undefined
  #unwatchApp: (() => void) | undefined
  #described = ''

  constructor(actor: Actor<Mail | TransferTimerMail>, deps: TransferDeps) {
    this.actor = actor
    this.deps = deps
    this.subject = deps.subject
    this.#createdAt = actor.clock.wallMs()
    this.planForgetting()
  }

  protected abstract readonly direction: 'in' | 'out'
  /** What the receiving program has on its disk, as far as is known here. */
  protected abstract readonly position: number
  protected abstract readonly isAccepted: boolean
  /** The other side's program has left. */
  protected abstract readonly isPeerAway: boolean
  /** The program's calls fail with this. */
  protected abstract failCalls(error: DaemonError): void
  protected abstract appCame(): void
  protected abstract appWent(): void
  abstract opened(link: TransferLink): void
  abstract received(link: TransferLink, frame: TransferFrame): void
  abstract drained(link: TransferLink): void
  protected abstract linkLost(): void

  /** Runs code as a part of this transfer's actor. */
  run(code: () => void): void {
    this.actor.run(code)
  }

  get isAttached(): boolean {
    return this.app !== undefined
  }

  describe(): TransferInfo {
    const { id, name, size } = this.subject
    const contact = this.deps.contact()
    return {
      transfer: id,
      direction: this.direction,
      contact: contact?.contact ?? '',
      peer: contact?.name ?? '',
      name,
      size,
      position: this.position,
      createdAt: this.#createdAt,
      ...this.#situation()
    }
  }

  /** The program behind `app` has this transfer from now on; another one's calls fail with `TAKEN_OVER`. */
  protected attach(app: TransferApp): void {
    if (this.app?.key === app.key) return
    if (this.app !== undefined) this.failCalls(new DaemonError('TAKEN_OVER', 'another program has the transfer now'))
    this.#unwatchApp?.()
    this.app = app
    const gone = () => void this.actor.tell({ type: 'app-gone', key: app.key }, 'control')
    app.signal.addEventListener('abort', gone, { once: true })
    this.#unwatchApp = () => app.signal.removeEventListener('abort', gone)
    this.#forgetting?.cancel()
    this.#forgetting = undefined
    this.appCame()
  }

  /** @throws {DaemonError} `TAKEN_OVER` for another program than the one that has the transfer; how it ended, where it has */
  protected assertHas(app: TransferApp): void {
    if (this.outcome?.type === 'cancelled') throw endError(this.outcome)
    if (this.app?.key !== app.key) {
      throw new DaemonError('TAKEN_OVER', 'this program does not have the transfer, or not any more')
    }
  }

  /** The program behind `app`, if it has the transfer, has it no more. */
  left(app: TransferApp): void {
    this.run(() => {
      if (this.app?.key === app.key) this.#detach()
    })
  }

  /** Mail that both ends have. */
  protected timerDue(mail: TransferTimerMail): void {
    if (mail.type === 'forget-due') this.forget()
    else if (this.app?.key === mail.key) this.#detach()
  }

  /** The link is used from now on; the one before was of a peer that has dialled anew. */
  protected setLink(link: TransferLink): void {
    const before = this.link
    this.link = link
    before?.close('REPLACED', 'the peer dialled anew')
  }

  over(link: TransferLink, code: EndCode, _detail: string): void {
    if (link !== this.link) return
    this.link = undefined
    this.lastEnd = code
    this.linkLost()
    this.planForgetting()
    this.report()
  }

  /** Ends the transfer by the will of a program here. */
  cancel(code: string, text: string): void {
    this.finishAs({ type: 'cancelled', by: 'here', code, text }, { cancel: { code, text } })
  }

  /** The contact may not be spoken to any more. */
  contactLost(): void {
    this.finishAs({ type: 'cancelled', by: 'here', code: 'PEER_GONE', text: 'the contact was blocked or removed' })
  }

  /** Ends for good, with a last word to the peer where there is one to be said and a stream to say it on. */
  protected finishAs(outcome: TransferOutcome, last?: TransferFrame): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    const link = this.link
    this.link = undefined
    if (last !== undefined && link?.isOpen) this.deps.linger(link, last)
    else link?.close('STOPPING', 'the transfer is over')
    if (outcome.type === 'cancelled') this.failCalls(endError(outcome))
    this.report()
    this.deps.over(outcome)
  }

  /** Nobody is left who has anything to do with it. */
  protected forget(): void {
    if (this.outcome !== undefined) return
    this.failCalls(new DaemonError('NO_SUCH_TRANSFER', 'the transfer was forgotten'))
    this.deps.over(undefined)
  }

  protected planForgetting(): void {
    if (this.app !== undefined || this.link !== undefined || this.#forgetting !== undefined) return
    this.#forgetting = this.actor.after(this.deps.limits.transferKeptMs, { type: 'forget-due' })
  }

  protected stopForgetting(): void {
    this.#forgetting?.cancel()
    this.#forgetting = undefined
  }

  /** Tells what is different, if anything is but the position. */
  protected report(): void {
    const described = JSON.stringify(this.#situation())
    if (described === this.#described) return
    this.#described = described
    this.deps.changed()
  }

  stopped(exit: Exit): void {
    this.#unwatchApp?.()
    this.link?.close(exit.type === 'crashed' ? 'FAILED' : 'STOPPING', 'the transfer has stopped')
    this.failCalls(new DaemonError('STOPPED', 'the transfer has stopped'))
  }

  #detach(): void {
    this.#unwatchApp?.()
    this.#unwatchApp = undefined
    this.app = undefined
    this.failCalls(new DaemonError('STOPPED', 'the program has left'))
    this.appWent()
    this.planForgetting()
    this.report()
  }

  #situation(): Pick<TransferInfo, 'state' | 'waitsFor' | 'lastEnd'> {
    const waitsFor = this.#waitsFor()
    const state: TransferState =
      this.outcome?.type ?? (!this.isAccepted ? 'offered' : waitsFor === null ? 'active' : 'paused')
    return { state, waitsFor, lastEnd: this.link === undefined ? (this.lastEnd ?? null) : null }
  }

  #waitsFor(): TransferInfo['waitsFor'] {
    if (this.outcome !== undefined) return null
    if (this.app === undefined) return 'app'
    if (this.link === undefined || !this.link.isOpen) return 'peer'
    return this.isPeerAway ? 'peer-app' : null
  }
}

/** What a program is told of a transfer that was cancelled. */
export function endError(outcome: TransferOutcome & { readonly type: 'cancelled' }): DaemonError {
  const { by, code, text } = outcome
  const who = by === 'peer' ? 'the peer' : 'this side'
  return new DaemonError('TRANSFER_CANCELLED', `${who} ended the transfer: ${text || code}`, {
    data: { by, reason: code }
  })
}
