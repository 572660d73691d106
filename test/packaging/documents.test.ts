import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { EventKind, NotificationName } from '@parley/client-sdk/contract'
import { ERRORS, JSON_RPC_NUMBERS, JSON_RPC_OTHER } from '@parley/client-sdk/contract'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { CommandContext } from '../../daemon/src/cli/context.ts'
import { buildProgram } from '../../daemon/src/cli/main.ts'
import { METHODS } from '../../daemon/src/ipc/methods/all.ts'
import { ENVELOPE_SCHEMA } from '../../daemon/src/peer/envelope.ts'
import { fakeHost } from '../../daemon/test/cli/fake-host.ts'
import { blocksOf, readDocument, readSteps, sectionOf } from '../demo/conversation.ts'
import { StartedProcess, startDaemon } from '../support/daemon-process.ts'
import { repositoryPath } from '../support/machine.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { within } from '../support/until.ts'
import { vmRssBytes } from '../support/vm-hwm.ts'

const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'GLOSSARY.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'protocol/SPEC.md',
  'protocol/README.md',
  'client-sdk/examples/python/README.md',
  'test/vectors/README.md'
]
const readme = readDocument('README.md')
const spec = readDocument('protocol/SPEC.md')

/** The text between a heading of the third level and the next heading. */
function partOf(document: string, heading: string): string {
  const part = document.split(/^##+ /m).find(text => text.startsWith(`${heading}\n`))
  if (part === undefined) throw new Error(`no part is called ${heading}`)
  return part
}

/** The rows of the first table in a text, without its head, cell by cell. */
function rowsOf(markdown: string): string[][] {
  const table = /^\|.*\n\|[-| ]+\|\n((?:\|.*\n)*)/m.exec(markdown)?.[1] ?? ''
  return table
    .split('\n')
    .filter(line => line !== '')
    .map(line =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map(cell => cell.trim())
    )
}

const codesIn = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)

describe.each(DOCUMENTS)('%s', path => {
  const text = readDocument(path)

  test('links to files that are there', () => {
    const targets = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#]+)[^)]*\)/g)].map(([, target = '']) => target)
    expect(targets.filter(target => !existsSync(join(repositoryPath, dirname(path), target)))).toEqual([])
  })

  test('speaks of nothing outside of the project', () => {
    expect(text).not.toMatch(/\/work\/|\/root\/|\/home\/\w|(?<![\w-])shared\//)
    expect(text).not.toContain(repositoryPath)
  })
})

describe('the README', () => {
  const program = buildProgram(new CommandContext(fakeHost({ args: [] }).host, 'parley'))

  /** A command by its words, as far as they are commands. */
  function commandOf(words: readonly string[]): Command {
    const [word, ...rest] = words
    const child = program.commands.find(command => command.name() === word)
    const below = child?.commands.find(command => command.name() === rest[0])
    return below ?? child ?? program
  }

  const optionsOf = (...commands: readonly (Command | undefined)[]): (string | null | undefined)[] =>
    commands.flatMap(command => command?.options.flatMap(({ long, short }) => [long, short]) ?? [])

  test('lists every command, and only options that it has', () => {
    const rows = rowsOf(sectionOf(readme, 'Commands'))
    expect(rows.map(([name = '']) => codesIn(name)[0]?.replace('parley ', ''))).toEqual(
      program.commands.map(command => command.name()).filter(name => name !== 'help')
    )
    for (const [name = '', text = ''] of rows) {
      const command = commandOf(codesIn(name)[0]?.split(' ').slice(1) ?? [])
      const subcommands = codesIn(text).flatMap(code => code.match(/^[a-z][a-z-]*/)?.[0] ?? [])
      for (const word of subcommands) expect(command.commands.map(child => child.name())).toContain(word)
      const known = optionsOf(command, program, ...command.commands)
      for (const option of text.matchAll(/--[a-z-]+/g)) expect(known, name).toContain(option[0])
    }
  })

  test('types only commands and options that are there', () => {
    const lines = blocksOf(readme)
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => text.split('\n'))
    const typed = lines.flatMap(line => [...line.matchAll(/\bparley ([^|>&\n]*)/g)].map(([, rest = '']) => rest.trim()))
    expect(typed.length).toBeGreaterThan(10)
    for (const text of typed) {
      const words = text.split(' ')
      const command = commandOf(words)
      expect(command, text).not.toBe(program)
      const known = optionsOf(command, program)
      for (const option of text.matchAll(/(?<= )--[a-z-]+/g)) expect(known, text).toContain(option[0])
    }
  })

  test('types what `npm run demo` plays with the output that is printed there, leaving nothing', async () => {
    using home = makeTempHome()
    using work = makeTempHome()
    const demo = new StartedProcess(join(repositoryPath, 'test/demo/main.ts'), [], {
      home: home.path,
      env: { TMPDIR: work.path }
    })
    const exit = await within('the end of the demo', 110_000, demo.exited)
    expect(exit, demo.stderr + demo.stdout).toEqual({ code: 0, signal: null })
    const played = new Map(demo.stdout.split(/^# (?=.*$)/m).map(part => [part.slice(0, part.indexOf('\n')), part]))
    for (const { title, commands, output } of readSteps()) {
      const lines = played.get(title)?.split('\n').slice(1) ?? []
      const lacking = lines.find(line => line.startsWith('(left out: '))
      if (lacking !== undefined) {
        process.stderr.write(`NOT PROVED HERE: "${title}" of the README ${lacking}\n`)
        continue
      }
      const typed = commands.flatMap(command => `$ ${command}`.split('\n'))
      const printed = lines.filter(line => !typed.includes(line)).join('\n')
      expect(commonForm(printed), title).toEqual(commonForm(output))
    }
    expect(readdirSync(work.path)).toEqual([])
    const pid = Number(/runs as process (\d+)/.exec(demo.stdout)?.[1])
    expect(pid).toBeGreaterThan(1)
    // One that has ended holds no memory, even where nobody has taken note of its end.
    expect(vmRssBytes(pid)).toBe(undefined)
  })

  test('has an SDK example that does what it says', async () => {
    using homes = makeTempHome()
    for (const name of ['alice', 'bob']) mkdirSync(homes.file(name))
    await using alice = await startDaemon({ home: homes.file('alice'), args: ['--id', 'alice'] })
    await using bob = await startDaemon({ home: homes.file('bob'), args: ['--id', 'bob'] })
    for (const [from, to] of [
      [alice, bob],
      [bob, alice]
    ] as const) {
      const { stdout } = await from.parley(['card'])
      await to.parley(['peer', 'add', stdout.trim(), '--name', from === alice ? 'alice' : 'bob'])
    }
    writeFileSync(homes.file('example.ts'), exampleOf('The SDK'))
    lend(homes.path, '@parley/client-sdk', 'client-sdk')

    const echo = new StartedProcess(join(repositoryPath, 'client-sdk/examples/echo.ts'), [], {
      home: bob.home,
      env: { PARLEY_HOME: bob.home }
    })
    await using _ = echo
    await echo.printed(/listening/)
    const app = new StartedProcess(homes.file('example.ts'), [], { home: alice.home, env: { PARLEY_HOME: alice.home } })
    const exit = await within('the end of the example', 30_000, app.exited)
    expect(exit, app.stderr).toEqual({ code: 0, signal: null })
    const said = codesIn(sectionOf(readme, 'The SDK').split('prints')[1] ?? '').slice(0, 2)
    expect(commonForm(app.stdout)).toEqual(commonForm(said.join('\n')))
  })

  test('has an example of a test network that passes', async () => {
    using folder = makeTempHome()
    writeFileSync(folder.file('link.test.ts'), exampleOf('Test networks'))
    lend(folder.path, '@parley/client-sdk', 'client-sdk')
    lend(folder.path, '@parley/daemon', 'daemon')
    lend(folder.path, 'vitest', 'node_modules/vitest')
    const vitest = new StartedProcess(folder.file('node_modules/vitest/vitest.mjs'), ['run', '--root', folder.path], {
      home: folder.path
    })
    const exit = await within('the end of the example', 60_000, vitest.exited)
    expect(exit, vitest.stdout + vitest.stderr).toEqual({ code: 0, signal: null })
    expect(vitest.stdout).toMatch(/Tests.*1 passed/)
  })

  /** The program that a section shows. */
  function exampleOf(heading: string): string {
    const [example] = blocksOf(sectionOf(readme, heading)).filter(({ language }) => language === 'ts')
    if (example === undefined) throw new Error(`${heading} shows no program`)
    return example.text
  }

  /** Makes a package of this checkout one that programs in `folder` can import. */
  function lend(folder: string, name: string, from: string): void {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(repositoryPath, from), link)
  }
})

/** Lines in one order, with what differs from run to run left out: keys, ports, times, places, and who of two was faster. */
function commonForm(output: string): string[] {
  return output
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line =>
      line
        .replace(/ {2,}/g, '  ') // columns are as wide as their widest entry
        .replace(/parley:card:\S+/g, 'CARD')
        .replace(/\b[0-9a-f]{64}\b/g, 'FINGERPRINT')
        .replace(/\b(?:[0-9a-f]{32}|[0-9a-f]{16})(?=[.:]\d)/g, 'EPOCH')
        .replace(/(?<=EPOCH:)\d+/g, 'INDEX')
        .replace(/"[a-z2-7]{16}"/g, 'CONTACT')
        .replace(/\b1[0-9]{12}\b/g, 'TIME')
        .replace(/\/tcp\/\d+/g, '/tcp/PORT')
        .replace(/process \d+/g, 'process PID')
        .replace(/^(n\d +up +)\d+ +/, '$1PID  ')
        .replace(/(?:\/[\w.-]+)+\/tmp\.\w+/g, 'HOME')
    )
    .sort()
}

describe('the specification', () => {
  test('has the schema of envelopes as the code has it', () => {
    expect(blocksOf(spec).find(({ language }) => language === 'proto')?.text).toBe(ENVELOPE_SCHEMA)
  })

  test('lists every method of the socket, and no other', () => {
    const names = rowsOf(partOf(spec, '12.5 Methods')).map(([name = '']) => codesIn(name)[0])
    expect(names.sort()).toEqual(METHODS.map(({ name }) => name).sort())
  })

  test('lists every notification and every event', () => {
    const notifications: Record<NotificationName, true> = {
      'messages.deliver': true,
      'messages.ended': true,
      'events.event': true,
      'events.ended': true,
      'requests.request': true,
      'requests.ended': true
    }
    const events: Record<EventKind, true> = {
      'peer.added': true,
      'peer.updated': true,
      'peer.removed': true,
      'peer.trust': true,
      'peer.followed': true,
      'identity.rotated': true,
      'peer.session': true,
      'peer.skew': true,
      'peer.quarantined': true,
      'consumer.stalled': true,
      'consumer.taken-over': true,
      'consumer.removed': true,
      'message.state': true,
      'store.rolled-back': true,
      'peer.lost-state': true,
      'identity.cloned': true,
      'store.damaged': true,
      'clock.stepped': true,
      'compare.waiting': true,
      'compare.over': true,
      'transfer.offered': true,
      'transfer.state': true,
      'pairing.state': true,
      'health.changed': true,
      'node.stopping': true
    }
    const named = (part: string) => rowsOf(partOf(spec, part)).flatMap(([name = '']) => codesIn(name))
    expect(named('12.6 Notifications').sort()).toEqual(Object.keys(notifications).sort())
    expect(named('12.8 Events').sort()).toEqual(Object.keys(events).sort())
  })

  test('lists every error code with its number, whether to try again, and its cause', () => {
    const rows = rowsOf(partOf(spec, '12.9 Error codes'))
    expect(rows).toEqual(
      Object.entries(ERRORS).map(([code, { cause, retryable }]) => [
        `\`${code}\``,
        String(JSON_RPC_NUMBERS[code as keyof typeof ERRORS] ?? JSON_RPC_OTHER),
        retryable ? 'yes' : 'no',
        cause
      ])
    )
  })
})

describe('ARCHITECTURE.md', () => {
  test('has a line for every dependency of every package, and for no other', () => {
    const folders = ['protocol', 'config', 'client-sdk', 'daemon']
    const used = folders.flatMap(folder => {
      const { dependencies = {} } = JSON.parse(readFileSync(join(repositoryPath, folder, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>
      }
      return Object.keys(dependencies).filter(name => !name.startsWith('@parley/'))
    })
    const listed = rowsOf(sectionOf(readDocument('ARCHITECTURE.md'), 'Dependencies')).flatMap(([name = '']) =>
      codesIn(name)
    )
    expect([...new Set(used)].sort()).toEqual(listed.sort())
  })
})
