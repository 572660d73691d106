import type { Client } from '@parley/client-sdk'
import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'

const POLL_MS = 200

export function registerKeys(program: Command, cli: CommandContext): void {
  const command = program.command('keys').description('the keys of what the daemon keeps').helpCommand(false)
  addExamples(command, ['parley keys rotate-store'])
  registerRotateStore(command, cli)
}

function registerRotateStore(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('rotate-store')
    .description('seal everything that the daemon keeps by a new key, while it runs, and forget the old key')
    .option('--no-wait', 'return once it has begun; the daemon goes on with it, also after a restart')
    .action(async (_own, command: Command) => {
      const options = optionsOf<{ wait: boolean }>(command)
      await using parley = await cli.connect(options)
      const begun = await parley.call('keys.rotate-store', {})
      const info = options.wait ? await finished(cli, parley) : begun
      if (options.json) return cli.out.writeJson(info)
      await cli.say(
        info.rotating
          ? `store key ${info.newest} seals from now on; what is there already is sealed anew in the background`
          : `store key ${info.newest}: ${info.resealed} records were sealed anew, and the old key is gone`
      )
    })
  addExamples(command, ['parley keys rotate-store', 'parley keys rotate-store --no-wait --json'])
}

/** Resolves at the end of the rotation; tells a person when it cannot go on for now. */
async function finished(cli: CommandContext, parley: Client) {
  const { pause } = await cli.offline()
  const never = new AbortController()
  let told: string | undefined
  for (;;) {
    const info = await parley.call('keys.show', {})
    if (!info.rotating) return info
    if (info.waitingFor !== undefined && info.waitingFor !== told) await cli.say(`it waits: ${info.waitingFor}`)
    told = info.waitingFor
    await pause(POLL_MS, never.signal)
  }
}
