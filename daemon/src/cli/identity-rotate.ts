import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'

/** `parley identity rotate`, below the command `identity`. */
export function registerRotate(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('rotate')
    .description(
      'give this daemon a new Themis key; contacts follow by themselves. Not the answer to a stolen key: see SECURITY.md'
    )
    .action(async (_own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const identity = await parley.rotateIdentity()
      if (options.json) return cli.out.writeJson(identity)
      await cli.out.write(`${identity.fingerprint}\n`)
      await cli.say(
        `the key is new, for the ${ordinal(identity.rotations)} time; contacts learn it as they come into session`
      )
    })
  addExamples(command, ['parley identity rotate'])
}

function ordinal(count: number): string {
  const endings: Readonly<Record<string, string>> = { one: 'st', two: 'nd', few: 'rd', other: 'th' }
  return `${count}${endings[new Intl.PluralRules('en', { type: 'ordinal' }).select(count)]}`
}
