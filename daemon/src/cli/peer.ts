import type { PeerInfo } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { readAll } from './lines.ts'
import { registerPeerTrust } from './peer-trust.ts'
import { peerTable } from './status.ts'
import { oneLine, table } from './text.ts'

/** A card is at most some kilobytes. */
const CARD_BYTES_MAX = 65_536

export function registerPeer(program: Command, cli: CommandContext): void {
  const command = program.command('peer').description('the contacts of this daemon').helpCommand(false)
  addExamples(command, ['parley peer add parley:card:… --name bob', 'parley peer ls', 'parley peer block bob'])
  registerAdd(command, cli)
  registerList(command, cli)
  registerShow(command, cli)
  registerRemove(command, cli)
  registerRename(command, cli)
  registerBlock(command, cli)
  registerUpdate(command, cli)
  registerPeerTrust(command, cli)
}

function registerAdd(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('add')
    .description('add a contact by its card, or update it by a newer one')
    .argument('<card>', 'the line that `parley card` printed there, or - to read it from standard input')
    .option('--name <name>', 'what to call the contact (default: its ID)')
    .action(async (given: string, _own, command: Command) => {
      const options = optionsOf<{ name?: string }>(command)
      const card = given === '-' ? await readCard(cli) : given
      await using parley = await cli.connect(options)
      const { peer, added } = await parley.peers.add(card, { name: options.name })
      if (options.json) return cli.out.writeJson({ peer, added })
      await cli.out.write(`${oneLine(peer.name)}\n`)
      await cli.say(`${added ? 'added' : 'updated'}: ${oneLine(peer.id)}, fingerprint ${peer.fingerprint}`)
    })
  addExamples(command, [
    'parley peer add parley:card:… --name bob',
    'ssh bob parley card | parley peer add - --name bob'
  ])
}

async function readCard(cli: CommandContext): Promise<string> {
  const card = new TextDecoder().decode(await readAll(cli.host.stdin, CARD_BYTES_MAX)).trim()
  if (card === '') throw new UsageError('standard input holds no card')
  return card
}

function registerList(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('ls')
    .description('list the contacts')
    .action(async (_own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const peers = await parley.peers.list()
      if (options.json) return cli.out.writeJson({ peers })
      if (peers.length === 0) return cli.say('no contacts yet: parley peer add CARD')
      await cli.out.write(peerTable(peers))
    })
  addExamples(command, ['parley peer ls', 'parley peer ls --json'])
}

function registerShow(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('show')
    .description('tell everything about a contact')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .action(async (name: string, _own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const peer = await parley.peers.get(name)
      await (options.json ? cli.out.writeJson(peer) : cli.out.write(peerText(peer)))
    })
  addExamples(command, ['parley peer show bob'])
}

function peerText(peer: PeerInfo): string {
  const { session } = peer
  const end = session.lastEnd
  return table([
    ['name', peer.name],
    ['id', peer.id],
    ['contact', peer.contact],
    ['fingerprint', peer.fingerprint],
    ['node', peer.nodeId],
    ['trust', trustText(peer)],
    ...(peer.offered === undefined ? [] : [['shows the key', peer.offered.fingerprint] as const]),
    ['addresses', peer.addresses.join(' ')],
    ...(peer.addressOverride === null ? [] : [['used instead', peer.addressOverride.join(' ')]]),
    ['card', `serial ${peer.cardSerial}`],
    ['session', `${session.state} since ${timeText(session.since)}`],
    ...(session.address === undefined ? [] : [['over', session.address]]),
    ...(end === undefined ? [] : [['last end', `${end.code}: ${end.detail} (${timeText(end.at)})`]]),
    ...(session.nextDialAt === undefined ? [] : [['next dial', timeText(session.nextDialAt)]])
  ])
}

/** The trust, and how it came to be. */
function trustText({ trust, verified, offered }: PeerInfo): string {
  if (offered !== undefined) return `${trust}: ${CHANGES[offered.reason]} (${timeText(offered.at)})`
  if (verified === undefined) return trust
  const { how, at, inherited } = verified
  const from = inherited === undefined ? '' : `, inherited ${timeText(inherited.at)} from ${inherited.from}`
  return `${trust} by ${how} (${timeText(at)})${from}`
}

const CHANGES: Readonly<Record<NonNullable<PeerInfo['offered']>['reason'], string>> = {
  card: 'it sent a card with another key',
  fork: 'a key of it has two successors',
  succession: 'it has a new key, signed by the former one'
}

function timeText(unixMs: number): string {
  return new Date(unixMs).toISOString()
}

function registerRemove(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('rm')
    .description('forget a contact and end its session')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .action(async (name: string, _own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const peer = await parley.peers.get(name)
      await parley.peers.remove(peer.contact)
      if (options.json) return cli.out.writeJson({ removed: peer.contact })
      await cli.say(`removed ${oneLine(peer.name)}`)
    })
  addExamples(command, ['parley peer rm bob'])
}

function registerRename(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('rename')
    .description('call a contact otherwise')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .argument('<name>', 'the new name')
    .action(async (name: string, newName: string, _own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      await tellPeer(cli, options, await parley.peers.rename(name, newName))
    })
  addExamples(command, ['parley peer rename bob robert'])
}

function registerBlock(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('block')
    .description('end the session with a contact and refuse it from now on')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .option('--off', 'end that')
    .action(async (name: string, _own, command: Command) => {
      const options = optionsOf<{ off?: true }>(command)
      await using parley = await cli.connect(options)
      await tellPeer(cli, options, await parley.peers.block(name, { blocked: !options.off }))
    })
  addExamples(command, ['parley peer block mallory', 'parley peer block mallory --off'])
}

function registerUpdate(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('update')
    .description('use other addresses for a contact than those of its card')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .option('--address <multiaddr...>', 'the addresses to use')
    .option('--card', 'go back to those of the card')
    .action(async (name: string, _own, command: Command) => {
      const options = optionsOf<{ address?: string[]; card?: true }>(command)
      if ((options.address === undefined) === (options.card === undefined)) {
        throw new UsageError('say either --address or --card', 'See `parley peer update --help`.')
      }
      await using parley = await cli.connect(options)
      await tellPeer(cli, options, await parley.peers.update(name, options.address ?? null))
    })
  addExamples(command, ['parley peer update bob --address /ip4/192.0.2.7/tcp/7390', 'parley peer update bob --card'])
}

async function tellPeer(cli: CommandContext, options: { json?: true }, peer: PeerInfo): Promise<void> {
  await (options.json ? cli.out.writeJson(peer) : cli.out.write(peerTable([peer])))
}
