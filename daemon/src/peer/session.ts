import type { SessionState } from '@parley/client-sdk/contract'
import type { Actor, Behaviour, Exit } from '../actor/actor.ts'
import { DaemonError } from '../errors.ts'
import { sameBytes } from '../identity/fields.ts'
import type { Succession } from '../identity/succession.ts'
import type { ByteStream } from '../transport/port.ts'
import type { Contact } from './contact.ts'
import { Dialler } from './dialler.ts'
import type { Envelope } from './envelope.ts'
import { Exchange } from './exchange.ts'
import { type EndCode, PeerFault } from './fault.ts'
import { Handshakes } from './handshakes.ts'
import { IncomingLanes } from './incoming.ts'
import type { Link, LinkListener } from './link.ts'
import { OpenLink } from './open-link.ts'
import { OpenLinks } from './open-links.ts'
import { OutgoingLanes, type OutgoingQueue, type SendJob } from './outgoing.ts'
import { Sending } from './sending.ts'
import type { SessionDeps, SessionMessage } from './session-port.ts'
import { type LastEnd, SessionReport } from './session-report.ts'
import { isChainCode } from './succession/prelude.ts'
import { Upkeep } from './upkeep.ts'

/**
 * The actor of one contact: dials it, answers it, keeps one session with it, and moves messages both ways.
 *
 * `offline → dialling → negotiating → established → rekeying → closing`. The state is derived from the links that are there
 * (`#deriveState`), never set.
 */
export class PeerSession implements Behaviour<SessionMessage>, LinkListener {
  readonly #actor: Actor<SessionMessage>
  readonly #deps: SessionDeps
  readonly #dialler: Dialler
  readonly #sending: Sending
  readonly #exchange: Exchange
  readonly #handshakes: Handshakes
  readonly #links: OpenLinks
  readonly #upkeep: Upkeep
  readonly #reported: SessionReport
  #contact: Contact
  #isClosing = false
  #isFlushDue = false
  #lastEnd: LastEnd | undefined
  /** How often in a row the peer hung up before it said a word. */
  #refusalCount = 0
  #wasUp = false
  /** How many statements of this daemon's own chain the peer is known to have followed. */
  #followedSerial = 0

  constructor(actor: Actor<SessionMessage>, contact: Contact, deps: SessionDeps) {
    this.#actor = actor
    this.#contact = contact
    this.#deps = deps
    this.#reported = new SessionReport(actor.clock, info => deps.reports.changed(info))
    this.#sending = new Sending(actor, deps.limits)
    this.#links = new OpenLinks({
      ...deps.limits,
      drainAfter: (delayMs, open) => actor.after(delayMs, { type: 'drain-due', open }),
      counted: name => deps.reports.counted(name)
    })
    this.#handshakes = new Handshakes(actor, deps, this)
    this.#exchange = new Exchange({
      ...deps,
      contact: contact.contact,
      from: contact.card.id,
      fromName: () => this.#contact.name,
      messageBytesMax: deps.limits.messageBytesMax,
      current: () => this.#links.current,
      wake: () => this.#flushSoon()
    })
    this.#dialler = new Dialler(actor, deps.transport, deps.limits, deps.randomBytes)
    this.#upkeep = new Upkeep({
      clock: actor.clock,
      limits: deps.limits,
      randomBytes: deps.randomBytes,
      pulseAfter: (delayMs, open) => actor.after(delayMs, { type: 'pulse', open }),
      isCurrent: open => open === this.#links.current,
      isOutdated: ({ link }) => !sameBytes(link.ownFingerprint, deps.self.fingerprint),
      dialSuccessor: generation => {
        if (this.#handshakes.count === 0) this.#dialler.planRekey(generation)
      }
    })
    // By mail, so that whoever starts this actor knows it by the time it reports.
    actor.tell({ type: 'dial-due' }, 'control')
  }

  receive(message: SessionMessage): void {
    switch (message.type) {
      case 'inbound':
        this.#inbound(message.stream)
        break
      case 'dialled':
        this.#dialled(message.stream, message.rekeyGeneration)
        break
      case 'dial-failed':
        this.#dialFailed(message.error)
        break
      case 'dial-due':
        this.#dialDue()
        break
      case 'bytes':
        message.link.feed(message.chunk)
        break
      case 'drained':
        this.#flushSoon()
        break
      case 'ended':
        message.link.ended()
        break
      case 'closed':
        message.link.closed(message.end)
        break
      case 'handshake-due':
        message.link.close('HANDSHAKE_TIMED_OUT', 'the handshake took too long')
        break
      case 'pulse':
        this.#upkeep.pulse(message.open)
        this.#flushSoon()
        break
      case 'drain-due':
        message.open.link.close(message.open.endCode ?? 'CONNECTION_LOST', 'the old stream did not end in time')
        break
      case 'send':
        this.#send(message.job)
        break
      case 'request':
        this.#exchange.checkRequests()
        this.#needSession()
        break
      case 'send-due':
        this.#sendDue()
        break
      case 'offline-due':
        this.#failQueue()
        break
      case 'contact':
        this.#contactChanged(message.contact)
        break
      case 'followed':
        this.#followed(message.link, message.contact)
        break
      case 'follow-failed':
        this.#followFailed(message.link, message.error)
        break
      case 'own-key':
        this.#followedSerial = 0
        if (this.#links.current !== undefined) this.#upkeep.replace(this.#links.current)
        this.#flushSoon()
        break
      case 'own-card':
        if (this.#links.current !== undefined) this.#sendCard(this.#links.current)
        this.#flushSoon()
        break
      case 'awake':
        this.#redial()
        break
      case 'store-reopened':
        this.#closeAll('STORE_REOPENED', 'the store was opened again')
        this.#redial()
        break
      case 'say-bye':
        this.#sayBye()
        break
    }
    this.#report()
  }

  stopped(exit: Exit): void {
    this.#dialler.stop()
    const code = endCodeOf(exit)
    const detail = exit.type === 'normal' ? exit.reason : 'the session failed'
    this.#closeAll(code, detail)
    this.#fail('PEER_OFFLINE', 'the session has stopped')
  }

  // Streams

  #inbound(stream: ByteStream): void {
    if (this.#links.current === undefined) this.#dialler.forget()
    const { handshakesAtOncePerContact } = this.#deps.limits
    if (this.#isClosing || this.#handshakes.count >= handshakesAtOncePerContact || !this.#dialler.mayHandshake()) {
      this.#deps.reports.counted('HANDSHAKE_LIMIT')
      stream.reset('too many handshakes')
      if (this.#links.current === undefined) this.#dialler.dialLater()
    } else this.#begin(stream, undefined)
  }

  #dialled(stream: ByteStream, rekeyGeneration: number | undefined): void {
    this.#dialler.roundOver()
    const isFirst = this.#handshakes.count === 0 && this.#links.current === undefined
    if (this.#isClosing) stream.reset('stopping')
    else if (isFirst && !this.#deps.room.mayOpen()) {
      this.#deps.reports.counted('SESSION_LIMIT')
      stream.reset('too many sessions')
      this.#wentOffline(true)
    } else this.#begin(stream, rekeyGeneration)
  }

  #begin(stream: ByteStream, rekeyGeneration: number | undefined): void {
    this.#handshakes.begin(stream, this.#contact, this.#exchange.now, {
      greeting: () => this.#exchange.greeting(),
      followed: this.#followedSerial,
      ...(rekeyGeneration === undefined ? {} : { rekeyGeneration })
    })
  }

  // What a link tells

  following(link: Link, links: readonly Succession[]): void {
    const { succession } = this.#deps
    this.#actor.pipe(
      succession.follow(this.#contact.contact, links),
      contact => ({ type: 'followed', link, contact }),
      error => ({ type: 'follow-failed', link, error })
    )
  }

  #followed(link: Link, contact: Contact): void {
    if (link.isOver) return
    this.#contact = contact
    if (contact.change === null && !contact.blocked) link.proceed()
    else link.close('CHANGED', 'the key of the contact is to be decided on')
  }

  #followFailed(link: Link, error: unknown): void {
    const code = error instanceof DaemonError && isChainCode(error.code) ? error.code : 'FAILED'
    link.close(code, error instanceof Error ? error.message : 'the key could not be followed')
  }

  opened(link: Link): void {
    const fresh = this.#openLink(link, this.#handshakes.done(link) ?? 0)
    this.#exchange.opened(fresh)
    this.#deps.reports.counted('opened')
    this.#wasUp = true
    this.#refusalCount = 0
    this.#dialler.forget()
    this.#sending.stopWaiting()
    this.#links.add(fresh)
    this.#exchange.checkRequests()
    this.#upkeep.watch(fresh)
    this.#noteFollowed(link)
    if (link.hello.heldCardSerial < this.#deps.self.cardSerial()) this.#sendCard(fresh)
    if (this.#isClosing) this.#sayBye()
    this.#flushSoon()
  }

  received(link: Link, envelope: Envelope): void {
    const open = this.#links.find(link)
    if (open === undefined) return
    if (open.isReceiveEnded) throw new PeerFault('PROTOCOL_VIOLATION', 'an envelope after the last one')
    if (this.#exchange.received(open, envelope)) {
      // Taken.
    } else if ('run' in envelope) open.incoming.receive(envelope.run)
    else if ('credit' in envelope) {
      open.outgoing.grant(envelope.credit.lane, envelope.credit.messages, envelope.credit.bytes)
      this.#flushSoon()
    } else if ('laneOpen' in envelope) open.incoming.open(envelope.laneOpen)
    else if ('ping' in envelope) this.#upkeep.pinged(open, envelope.ping)
    else if ('card' in envelope) this.#deps.reports.cardReceived(envelope.card.card)
    else if ('end' in envelope) this.#links.receiveEnded(open)
    else if ('bye' in envelope) this.#links.byeReceived(open, envelope.bye.code)
    else throw new PeerFault('PROTOCOL_VIOLATION', 'an envelope that has no place here')
    this.#noteSkew(open)
    this.#flushSoon()
  }

  peerEnded(link: Link): void {
    const open = this.#links.find(link)
    if (open === undefined || open.isReceiveEnded) return
    if (open.endCode === undefined) link.close('PEER_CLOSED', 'the peer ended the stream')
    else this.#links.receiveEnded(open)
  }

  over(link: Link, code: EndCode, detail: string): void {
    const wasHandshaking = this.#handshakes.done(link) !== undefined
    const open = this.#links.find(link)
    if (open !== undefined) this.#linkOver(open, code)
    const endCode = open?.endCode ?? code
    this.#deps.reports.counted(endCode)
    this.#deps.log.info(
      { contact: this.#contact.contact, code: endCode, detail, openedByUs: link.openedByUs },
      'session stream over'
    )
    const isTold = endCode === 'VERSION_MISMATCH' || isChainCode(endCode)
    if (open !== undefined || link.openedByUs || isTold) {
      if (endCode !== 'GLARE' && endCode !== 'REKEYED') this.#noteEnd(endCode, detail)
    }
    if (isTold) this.#dialler.setHopeless()
    this.#flushSoon()
    if (this.#links.current === undefined) this.#wentOffline(wasHandshaking && link.openedByUs)
    if (this.#isClosing && this.#links.count === 0) this.#deps.reports.closed()
  }

  // Keys

  /** The peer has proven that it holds the key of this link: it need not be told again how that came to be. */
  #noteFollowed(link: Link): void {
    const { self } = this.#deps
    if (sameBytes(link.ownFingerprint, self.fingerprint)) this.#followedSerial = self.chain().length
  }

  /** A card is for sessions by the key that it is about. */
  #sendCard(open: OpenLink): void {
    const { self } = this.#deps
    if (sameBytes(open.link.ownFingerprint, self.fingerprint)) open.queue({ card: { card: self.cardBytes() } })
  }

  // Open links

  /** Where one link follows another in good order, both have said their last and ended their direction. */
  #linkOver(open: OpenLink, code: EndCode): void {
    const isReplaced = open.endCode === 'GLARE' || open.endCode === 'REKEYED'
    this.#links.remove(open)
    this.#exchange.over(open, isReplaced && open.isReceiveEnded && code === 'PEER_CLOSED')
  }

  #closeAll(code: EndCode, detail: string): void {
    this.#links.close(code, detail)
    this.#handshakes.close(code, detail)
  }

  #openLink(link: Link, beganAt: number): OpenLink {
    const { receiving, limits } = this.#deps
    const { ours, theirs } = link.epochs
    const incoming = new IncomingLanes({
      receiving,
      epoch: theirs,
      countMax: limits.laneCountMax,
      messageBytesMax: limits.messageBytesMax,
      origin: { contact: this.#contact.contact, from: this.#contact.card.id, fromName: () => this.#contact.name },
      credit: (lane, messages, bytes) => {
        open.queueCredit({ lane, messages, bytes })
        this.#flushSoon()
      }
    })
    const outgoing = new OutgoingLanes(ours, Math.min(limits.laneCountMax, link.hello.limits.lanes))
    const openedAtMs = this.#actor.clock.monotonicMs()
    const open = new OpenLink({ link, outgoing, incoming, openedAtMs, beganAt })
    return open
  }

  // Dialling

  #dialDue(): void {
    const generation = this.#dialler.takeDue()
    const current = this.#links.current
    if (current === undefined) this.#dialOrPlan()
    else if (generation === current.generation + 1) this.#dialler.dialNow(this.#contact, generation)
  }

  #dialOrPlan(): boolean {
    const isDialling = this.#deps.room.mayDial() && this.#dialler.dialNow(this.#contact, undefined)
    if (!isDialling) this.#dialler.dialLater()
    return isDialling
  }

  /** Dials anew, as if nothing had failed so far. */
  #redial(): void {
    if (this.#links.current !== undefined) return
    this.#dialler.forget()
    this.#dialOrPlan()
  }

  #dialFailed(error: unknown): void {
    this.#dialler.roundOver()
    if (error instanceof DaemonError && error.code === 'STOPPED') {
      if (this.#links.current === undefined) this.#dialOrPlan()
      return
    }
    const code = error instanceof DaemonError && isDialCode(error.code) ? error.code : 'DIAL_FAILED'
    const detail = error instanceof Error ? error.message : 'the dial failed'
    this.#deps.reports.counted(code)
    this.#deps.log.debug({ contact: this.#contact.contact, code, detail }, 'dial failed')
    if (this.#links.current !== undefined) return
    this.#noteEnd(code, detail)
    this.#wentOffline(true)
  }

  /** No session is up. After a failed dial or handshake of ours, what waits has waited long enough. */
  #wentOffline(dialFailed: boolean): void {
    if (this.#isClosing) return
    if (this.#handshakes.count === 0 && !this.#dialler.isBusy) {
      if (dialFailed) this.#failQueue()
      this.#dialler.dialLater()
    }
    this.#sending.waitForSession()
  }

  #contactChanged(contact: Contact): void {
    const before = this.#contact
    this.#contact = contact
    if (String(before.addresses) === String(contact.addresses)) return
    this.#dialler.abandonRound()
    this.#redial()
  }

  // Sending

  #send(job: SendJob): void {
    if (this.#isClosing) job.failed(new DaemonError('SHUTTING_DOWN', 'the daemon is stopping'))
    else if (!this.#sending.accept(job)) return
    else this.#needSession()
  }

  /** Something waits to be sent. */
  #needSession(): void {
    if (this.#links.current !== undefined) this.#flushSoon()
    else if (this.#handshakes.count === 0 && !this.#dialler.isAtIt && !this.#dialOrPlan()) this.#failQueue()
    else this.#sending.waitForSession()
  }

  /** Tells everything that waits that the peer cannot be reached, and why. */
  #failQueue(): void {
    if (this.#links.current !== undefined) return
    const { name } = this.#contact
    const detail = this.#lastEnd === undefined ? '' : ` (${this.#lastEnd.detail})`
    if (this.#isRefused()) this.#fail('NOT_ACCEPTED', `${name} has probably not added your card`)
    else this.#fail('PEER_OFFLINE', `${name} is not reachable${detail}`)
  }

  #fail(code: 'PEER_OFFLINE' | 'NOT_ACCEPTED', message: string): void {
    this.#sending.failAll(code, message)
    this.#exchange.unreachable(code, message)
  }

  /** A peer that has been in session and hangs up once is more likely to be stopping or starting than to have forgotten us. */
  #isRefused(): boolean {
    return this.#refusalCount >= (this.#wasUp ? 2 : 1)
  }

  #noteEnd(code: EndCode, detail: string): void {
    this.#lastEnd = { code, detail, at: this.#actor.clock.wallMs() }
    this.#refusalCount = code === 'NOT_ACCEPTED' ? this.#refusalCount + 1 : 0
  }

  #sendDue(): void {
    const { name } = this.#contact
    this.#sending.failOverdue(channel => `no program of ${name} took messages on channel ${channel} in the time given`)
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#actor.clock.endOfTurn(() => {
      this.#isFlushDue = false
      this.#actor.run(() => this.#flush())
    })
  }

  #flush(): void {
    const { frameBytesMax } = this.#deps.limits
    const links = this.#links.all()
    this.#exchange.follow(links)
    for (const open of links) {
      if (open.link.isOver) continue
      const completed: SendJob[] = []
      const sources = this.#exchange.sources(open)
      if (open === this.#links.current) {
        this.#openLanes(open, this.#sending.queue)
        sources.push(open.runs(this.#sending.queue, completed))
      }
      open.flush(sources, Math.min(frameBytesMax, open.link.hello.limits.frameBytes))
      for (const job of completed) job.done()
      // Once everything is written, our direction ends; when the peer's has too, the stream is over.
      if (open.isSendEnded && open.link.isWritable) open.link.end()
      this.#upkeep.sent(open)
    }
    this.#report()
  }

  #openLanes(open: OpenLink, queue: OutgoingQueue): void {
    if (open.isSendEnded) return
    const { messageBytes } = open.link.hello.limits
    if (messageBytes < this.#deps.limits.messageBytesMax) this.#sending.failOversized(messageBytes, this.#contact.name)
    const { opened, refused } = open.outgoing.open(queue.channels())
    for (const { lane, channel } of opened) open.queue({ laneOpen: { lane, channel, durable: false } })
    for (const channel of refused) {
      this.#sending.failChannel(channel, 'CHANNEL_LIMIT', `no lane is left for channel ${channel}`)
    }
  }

  // Ends and reports

  #sayBye(): void {
    this.#isClosing = true
    this.#dialler.stop()
    this.#handshakes.close('STOPPING', 'the daemon is stopping')
    this.#links.sayBye('STOPPING', 'the daemon is stopping')
    this.#sending.failAll('SHUTTING_DOWN', 'the daemon is stopping')
    if (this.#links.count === 0) this.#deps.reports.closed()
    this.#flushSoon()
  }

  #noteSkew(open: OpenLink): void {
    if (open.isSkewReported || open.link.lastSentAtSeconds === 0) return
    // The peer may say any time; what goes to programs as an event must stay a safe integer.
    const sentAtMs = Math.min(open.link.lastSentAtSeconds * 1_000, Number.MAX_SAFE_INTEGER)
    const skewMs = sentAtMs - this.#actor.clock.wallMs()
    if (Math.abs(skewMs) <= this.#deps.limits.clockSkewMsMax) return
    open.isSkewReported = true
    this.#deps.reports.skewed(skewMs)
  }

  #deriveState(): SessionState {
    if (this.#isClosing) return 'closing'
    if (this.#links.current !== undefined) {
      return this.#dialler.isRekeying || this.#links.isRekeying ? 'rekeying' : 'established'
    }
    if (this.#handshakes.count > 0) return 'negotiating'
    return this.#dialler.isBusy ? 'dialling' : 'offline'
  }

  /** Asked after each message, so that what is told follows what is. */
  #report(): void {
    const current = this.#links.current
    const nextDialAt = current === undefined ? this.#dialler.nextDialAt : undefined
    this.#reported.tell({ state: this.#deriveState(), current, nextDialAt, lastEnd: this.#lastEnd })
  }
}

/** The owner stops a session with the code of its reason, but for the end of the daemon. */
function endCodeOf(exit: Exit): EndCode {
  if (exit.type === 'crashed') return 'FAILED'
  const { reason } = exit
  return reason === 'BLOCKED' || reason === 'CHANGED' || reason === 'REMOVED' ? reason : 'STOPPING'
}

function isDialCode(code: string): code is 'DIAL_FAILED' | 'WRONG_NODE' | 'NOT_ACCEPTED' {
  return code === 'DIAL_FAILED' || code === 'WRONG_NODE' || code === 'NOT_ACCEPTED'
}
