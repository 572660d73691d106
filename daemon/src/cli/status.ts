import type { NodeStatus, PeerInfo } from '@parley/client-sdk'
import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { durationText, oneLine, table } from './text.ts'

export function registerStatus(program: Command, cli: CommandContext): void {
  const command = program
    .command('status')
    .description('tell how the daemon and its sessions are')
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
    ...(refusedCount === 0 ? [] : [['refused', `${refusedCount} connections of strangers (--json lists them)`]])
  ])
  return status.peers.length === 0 ? facts : `${facts}\n${peerTable(status.peers)}`
}

/** Contacts as a table, with what went wrong last where there is no session. */
export function peerTable(peers: readonly PeerInfo[]): string {
  const rows = peers.map(({ name, id, trust, session }) => {
    const isUp = session.state === 'established' || session.state === 'rekeying'
    return [name, id, trust, session.state, isUp ? (session.address ?? '') : (session.lastEnd?.code ?? '')]
  })
  return table([['NAME', 'ID', 'TRUST', 'SESSION', ''], ...rows])
}
