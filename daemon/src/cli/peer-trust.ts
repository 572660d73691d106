import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, type GlobalOptions, optionsOf } from './context.ts'
import { peerTable } from './status.ts'
import { oneLine } from './text.ts'

/** Commands below `peer` by which the owner decides on keys. */
export function registerPeerTrust(parent: Command, cli: CommandContext): void {
  registerTrust(parent, cli)
  registerAcceptKey(parent, cli)
}

function registerTrust(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('trust')
    .description('take a contact as verified, because you have compared its fingerprint yourself')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .option('--fingerprint <hex>', 'only if the contact has this key')
    .option('--off', 'take that back')
    .action(async (name: string, _own, command: Command) => {
      const options = optionsOf<GlobalOptions & { fingerprint?: string; off?: true }>(command)
      if (options.off && options.fingerprint !== undefined)
        throw new UsageError('--off and --fingerprint exclude each other.')
      await using parley = await cli.connect(options)
      const { fingerprint } = options
      const peer = await parley.peers.trust(name, options.off ? 'known' : 'verified', { fingerprint })
      await (options.json ? cli.out.writeJson(peer) : cli.out.write(peerTable([peer])))
    })
  addExamples(command, ['parley peer trust bob --fingerprint 5f0c…', 'parley peer trust bob --off'])
}

function registerAcceptKey(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('accept-key')
    .description('decide on the key of a contact that shows another one, and on what waits for its former key')
    .argument('<peer>', 'name, ID, contact ID, or the start of one')
    .argument('[fingerprint]', 'the key that is right: the one it shows, or the one that is known, which then stays')
    .option('--queue <what>', 'send: messages for former keys go to this one; cancel: they are taken back')
    .action(async (name: string, fingerprint: string | undefined, _own, command: Command) => {
      const options = optionsOf<GlobalOptions & { queue?: string }>(command)
      const { queue } = options
      if (queue !== undefined && queue !== 'send' && queue !== 'cancel')
        throw new UsageError('--queue is send or cancel.')
      if (fingerprint === undefined && queue === undefined)
        throw new UsageError('say which key is right, or --queue.', 'See `parley peer show NAME` for the keys.')
      await using parley = await cli.connect(options)
      const outcome = await parley.peers.acceptKey(name, { fingerprint, queue })
      if (options.json) return cli.out.writeJson(outcome)
      const { peer, held } = outcome
      await cli.out.write(peerTable([peer]))
      if (held > 0) {
        const what = held === 1 ? '1 message waits' : `${held} messages wait`
        const next = `parley peer accept-key ${oneLine(peer.name)} --queue send, or --queue cancel`
        await cli.say(`${what} for a former key of ${oneLine(peer.name)}: ${next}`)
      }
    })
  addExamples(command, ['parley peer accept-key bob 5f0c…', 'parley peer accept-key bob --queue cancel'])
}
