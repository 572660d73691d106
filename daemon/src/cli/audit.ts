import type { AuditRecordInfo, AuditVerdict } from '@parley/client-sdk'
import type { Command } from 'commander'
import { addExamples, type CommandContext, optionsOf } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { oneLine } from './text.ts'

export function registerAudit(program: Command, cli: CommandContext): void {
  const command = program
    .command('audit')
    .description('print the log of changes of trust and keys, and of administrative calls')
    .helpCommand(false)
    .action(async (_own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const { first, count, head } = await parley.audit.page({ max: 1 })
      for await (const entry of parley.audit.entries()) {
        await (options.json ? cli.out.writeJson(entry) : cli.out.write(`${lineOf(entry)}\n`))
      }
      const gone = first > 1 ? `, kept from ${first} on` : ''
      await cli.say(`${count} entries${gone}; head ${head}`)
    })
  addExamples(command, ['parley audit', 'parley audit --json', 'parley audit verify'])
  registerVerify(command, cli)
}

function registerVerify(parent: Command, cli: CommandContext): void {
  const command = parent
    .command('verify')
    .description('find an entry that was edited, is missing, or was cut off: exit status 4')
    .action(async (_own, command: Command) => {
      const options = optionsOf(command)
      await using parley = await cli.connect(options)
      const verdict = await parley.audit.verify()
      if (!verdict.ok) cli.endWith(EXIT.untrusted)
      if (options.json) await cli.out.writeJson(verdict)
      else await cli.out.write(`${verdictText(verdict)}\n`)
    })
  addExamples(command, ['parley audit verify'])
}

function lineOf({ index, at, action, subject, by, detail }: AuditRecordInfo): string {
  const details = Object.entries(detail).map(([name, value]) => `${name}=${value}`)
  return [String(index), new Date(at).toISOString(), action, subject ?? '-', `by ${by}`, ...details]
    .map(oneLine)
    .join('  ')
}

function verdictText(verdict: AuditVerdict): string {
  if (verdict.ok) return `${verdict.count} entries, each as it was written; head ${verdict.head}`
  const what = verdict.problem === 'cut-off' ? 'and what followed is gone' : `is ${verdict.problem}`
  return `entry ${verdict.at} ${what}`
}
