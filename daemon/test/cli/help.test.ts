import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { CommandContext } from '../../src/cli/context.ts'
import { buildProgram } from '../../src/cli/main.ts'
import { fakeHost, parley, parleyd } from './fake-host.ts'

function allCommands(): string[][] {
  const program = buildProgram(new CommandContext(fakeHost({ args: [] }).host, 'parley'))
  const below = (command: Command, path: string[]): string[][] =>
    command.commands.flatMap(child => {
      const here = [...path, child.name()]
      return [here, ...below(child, here)]
    })
  return [[], ...below(program, [])]
}

describe('help', () => {
  it('knows every command of this version', () => {
    expect(allCommands().map(path => path.join(' '))).toEqual(
      expect.arrayContaining([
        ...['init', 'up', 'down', 'status', 'wait', 'card', 'send', 'listen', 'config show', 'config check'],
        ...['add', 'ls', 'show', 'rm', 'rename', 'block', 'update'].map(name => `peer ${name}`)
      ])
    )
  })

  it.each(allCommands().map(path => [path.join(' ') || 'parley', path] as const))(
    'of %s goes to stdout, has examples and the options that every command has',
    async (_, path) => {
      const { code, stdout, stderr } = await parley([...path, '--help'])
      expect(code).toBe(0)
      expect(stderr).toBe('')
      expect(stdout).toMatch(/\nExamples:\n {2}[$#] /)
      expect(stdout).toContain('--home <dir>')
      expect(stdout).toContain('--json')
      for (const line of stdout.split('\n').filter(line => line.startsWith('  $'))) expect(line).toContain('parley')
    }
  )

  it('of parleyd has examples too', async () => {
    const { code, stdout } = await parleyd(['--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('\nExamples:\n  $ parleyd')
  })

  it('lists the exit codes', async () => {
    expect((await parley(['--help'])).stdout).toMatch(/Exit status:\n {2}0 done/)
  })

  it('shows on stderr, with exit status 1, when no command was given', async () => {
    const { code, stdout, stderr } = await parley([])
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toContain('Usage: parley')
  })

  it('gives the version', async () => {
    const { code, stdout } = await parley(['--version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('wrong use', () => {
  it.each([
    ['an unknown command', ['sned', 'bob'], 'parley --help'],
    ['an unknown option', ['send', '--durable'], 'parley send --help'],
    ['a missing argument', ['peer', 'rm'], 'parley peer rm --help'],
    ['one argument too many', ['card', 'bob'], 'parley card --help'],
    ['a duration that is none', ['wait', '--for', 'ready', '--timeout', 'soon'], '500ms'],
    ['a count that is none', ['listen', '--count', '0'], 'whole number'],
    ['a goal that is none', ['wait', '--for', 'Godot'], 'peer=NAME'],
    ['text and --lines', ['send', 'bob', 'hello', '--lines'], ''],
    ['--look as a consumer', ['listen', '--look', '--consumer', 'x'], ''],
    ['update with nothing to do', ['peer', 'update', 'bob'], 'parley peer update --help']
  ])('with %s ends with 1, says what is wrong and where help is', async (_, args, hint) => {
    const { code, stdout, stderr } = await parley(args)
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^parley: \S/)
    expect(stderr).toContain(hint)
    expect(stderr).toMatch(/\n {2}next: /)
  })

  it('is one JSON object on stderr with --json', async () => {
    const { code, stdout, stderr } = await parley(['sned', '--json'])
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(Object.keys(JSON.parse(stderr).error)).toEqual(['code', 'message', 'action', 'retryable'])
    expect(JSON.parse(stderr).error.code).toBe('USAGE')
  })

  it('suggests what was meant', async () => {
    expect((await parley(['sned', 'bob'])).stderr).toContain('send')
  })
})
