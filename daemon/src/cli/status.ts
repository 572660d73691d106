import type { NodeStatus, PeerInfo, QueueInfo } from '@parley/client-sdk'
import type { Command } from 'commander'
import { consumerTable } from './consumer.ts'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { bytesText, durationText, oneLine, table } from './text.ts'

export function registerStatus(program: Command, cli: CommandContext): void {
  const command = program
    .command('status')
    .description('tell how the daemon and its sessions are, and what waits')
    .action(async (_own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const status = await parley.status()
      if (options.json) return cli.out.writeJson(status)
      const { components } = await parley.health()
      await cli.out.write(statusText(status))
      for (const [name, health] of Object.entries(components)) {
        if (health.state === 'ok') continue
        await cli.out.write(`${name} is ${health.state}: ${oneLine(health.detail ?? health.code ?? '')}\n`)
        if (health.action !== undefined) await cli.out.write(`  next: ${oneLine(health.action)}\n`)
      }
    })
  addExamples(command, ['parley status', ['how many sessions are up', 'parley status --json | jq .sessions']])
}

function statusText(status: NodeStatus): string {
  // By the daemon's own clock.
  const nowMs = status.startedAt + status.uptimeMs
  const refusedCount = status.refused.reduce((count, refused) => count + refused.count, 0)
  const facts = table([
    ['id', status.id],
    ['fingerprint', status.fingerprint],
    ['version', `${status.version}, process ${status.pid}, up ${durationText(status.uptimeMs)}`],
    ['listen', status.listen.join(' ')],
    ['announce', status.announce.join(' ')],
    ['socket', status.socket],
    ['state', status.ready ? 'ready' : 'not ready'],
    ['sessions', `${status.sessions} of ${status.peers.length} contacts`],
    ['outbox', queueText(status.queue, nowMs)],
    ['inbox', inboxText(status, nowMs)],
    ...(refusedCount === 0 ? [] : [['refused', `${refusedCount} connections of strangers (--json lists them)`]])
  ])
  const peers = status.peers.length === 0 ? '' : `\n${peerTable(status.peers)}`
  const consumers = status.consumers.length === 0 ? '' : `\n${consumerTable(status.consumers)}`
  const waiting = status.comparisons.map(
    ({ name }) => `\n${oneLine(name)} waits for a comparison: parley compare ${oneLine(name)}\n`
  )
  return `${facts}${peers}${consumers}${waiting.join('')}`
}

function inboxText({ inbox }: NodeStatus, nowMs: number): string {
  const { messages, bytes, durableMessages, oldestAt } = inbox
  const kept = messages === 0 ? '' : `, ${durableMessages} of them on disk`
  return `${queueText({ messages, bytes, ...(oldestAt !== undefined && { oldestAt }) }, nowMs)}${kept}`
}

/** What waits, and for how long the oldest has. */
function queueText({ messages, bytes, oldestAt }: QueueInfo, nowMs: number): string {
  if (messages === 0) return 'empty'
  const oldest = oldestAt === undefined ? '' : `, the oldest for ${durationText(nowMs - oldestAt)}`
  return `${messages === 1 ? '1 message' : `${messages} messages`}, ${bytesText(bytes)}${oldest}`
}

/** Contacts as a table, with what waits for them, and what went wrong last where there is no session. */
export function peerTable(peers: readonly PeerInfo[]): string {
  const rows = peers.map(({ name, id, trust, session, queue }) => {
    const isUp = session.state === 'established' || session.state === 'rekeying'
    const last = isUp ? (session.address ?? '') : (session.lastEnd?.code ?? '')
    return [name, id, trust, session.state, String(queue.messages), last]
  })
  return table([['NAME', 'ID', 'TRUST', 'SESSION', 'WAITING', ''], ...rows])
}
