import type { Client } from '@parley/client-sdk'
import type { Command } from 'commander'
import { UsageError } from './command-errors.ts'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { parseDuration } from './text.ts'

const TIMEOUT_MS = 30_000

/** What can be waited for: the daemon, or a session with a contact. */
type Goal = { readonly kind: 'ready' } | { readonly kind: 'peer'; readonly peer: string }

export function registerWait(program: Command, cli: CommandContext): void {
  const command = program
    .command('wait')
    .description('return when the daemon is ready, or when a session with a contact is up')
    .requiredOption('--for <what>', 'ready, or peer=NAME', parseGoal)
    .option('--timeout <duration>', 'how long to wait at most (default: 30s)', parseDuration)
    .action(async (_own, command: Command) => {
      const options = optionsOf<{ for: Goal; timeout?: number }>(command)
      const { for: goal, timeout: timeoutMs = TIMEOUT_MS } = options
      const what = goal.kind === 'ready' ? 'The daemon was not ready' : `There was no session with ${goal.peer}`
      const deadline = await cli.deadline(timeoutMs, `${what} within ${timeoutMs} ms.`)
      try {
        await using parley = await cli.connect(options, { wait: true, signal: deadline.signal })
        await reach(parley, goal, deadline.signal)
        if (options.json) await cli.out.writeJson({ reached: goal.kind === 'ready' ? 'ready' : `peer=${goal.peer}` })
      } finally {
        deadline.cancel()
      }
    })
  addExamples(command, ['parley wait --for ready', 'parley wait --for peer=bob --timeout 10s'])
}

function parseGoal(text: string): Goal {
  if (text === 'ready') return { kind: 'ready' }
  if (text.startsWith('peer=') && text.length > 'peer='.length)
    return { kind: 'peer', peer: text.slice('peer='.length) }
  throw new UsageError(`cannot wait for "${text}"`, 'Wait for ready, or for peer=NAME.')
}

/** Looks, and looks again at every event. */
async function reach(parley: Client, goal: Goal, signal: AbortSignal): Promise<void> {
  await using events = parley.events({ signal })
  await events.ready()
  do {
    if (await isReached(parley, goal, signal)) return
  } while (!(await events.next()).done)
  signal.throwIfAborted()
}

async function isReached(parley: Client, goal: Goal, signal: AbortSignal): Promise<boolean> {
  if (goal.kind === 'ready') return (await parley.health({ signal })).ready
  const { session } = await parley.peers.get(goal.peer, { signal })
  return session.state === 'established' || session.state === 'rekeying'
}
