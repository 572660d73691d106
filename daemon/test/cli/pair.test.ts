import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DaemonProcess, parleyBin, StartedProcess, startDaemon } from '../../../test/support/daemon-process.ts'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'

let homes: TempHome[]
let alice: DaemonProcess
let bob: DaemonProcess

beforeAll(async () => {
  homes = [makeTempHome(), makeTempHome()]
  const start = (home: TempHome | undefined, id: string) =>
    startDaemon({
      home: home?.path ?? '',
      args: ['--id', id],
      env: { PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'warn' }
    })
  ;[alice, bob] = await Promise.all([start(homes[0], 'alice'), start(homes[1], 'bob')])
}, 30_000)

afterAll(async () => {
  await Promise.all([alice, bob].map(daemon => daemon[Symbol.asyncDispose]()))
  for (const home of homes) home.remove()
}, 30_000)

function pairing(args: readonly string[] = []): StartedProcess {
  return new StartedProcess(parleyBin, ['pair', ...args], { home: alice.home, env: { PARLEY_HOME: alice.home } })
}

describe('parley pair', () => {
  test('tells a person the code, the link and how it goes, and both sides the name', async () => {
    const command = pairing(['--qr', '--name', 'bobby'])
    const [, link = ''] = await command.printed(/link {2}(parley:pair:\S+)\n/)
    await command.printed(/█/)
    await command.printed(/waiting…/)
    const joined = await bob.parley(['pair', '-'], { stdin: `${link}\n` })
    expect([joined.code, joined.stdout]).toEqual([0, 'alice\n'])
    expect(joined.stderr).toMatch(
      /the secrets match\n.*confirming…\nverified as alice: alice, fingerprint [0-9a-f]{64}\n$/s
    )
    expect((await command.exited).code).toBe(0)
    expect(command.stdout).toMatch(/^code {2}\d\d-[a-z-]+\nlink {2}parley:pair:/)
    expect(command.stdout).toMatch(/\nbobby\n$/)
    expect(command.stderr).toContain('verified as bobby: bob, ')
  })

  test('renews a contact', async () => {
    const command = pairing(['--json', '--renew', 'bobby'])
    await command.printed(/"link".*\n/)
    const { link } = JSON.parse(command.stdout) as { link: string }
    expect((await bob.parley(['pair', link, '--renew', 'alice'])).code).toBe(0)
    expect((await command.exited).code).toBe(0)
    expect(JSON.parse(command.stdout.trimEnd().split('\n')[1] ?? '')).toMatchObject({ name: 'bobby', verified: true })
  })

  test('closes the invitation on Ctrl-C', async () => {
    const command = pairing(['--json'])
    await command.printed(/"link".*\n/)
    const { link } = JSON.parse(command.stdout) as { link: string }
    command.signal('SIGINT')
    expect((await command.exited).code).toBe(8)
    expect(command.stderr).toContain('ended: the code is dead\n')
    const late = await bob.parley(['pair', link, '--json'])
    expect([late.code, JSON.parse(late.stderr.split('\n').at(-2) ?? '').error.code]).toEqual([8, 'NO_SUCH_INVITATION'])
  })

  test.each([
    [['nonsense'], 'USAGE'],
    [['42-ozone-cactus'], 'USAGE'],
    [['--at', '/ip4/127.0.0.1/tcp/1'], 'USAGE'],
    [['42-ozone-cactusx', '--at', '/ip4/127.0.0.1/tcp/1'], 'CODE_INVALID'],
    [['42-ozone-cactus', '--at', 'bob:7390'], 'ADDRESS_INVALID'],
    [['parley:pair:AAAA'], 'CODE_INVALID'],
    [['-'], 'USAGE'],
    [['--renew', 'nobody'], 'NO_SUCH_PEER']
  ])('says what is wrong with %j', async (args, code) => {
    const { code: exit, stderr } = await bob.parley(['pair', ...args, '--json'])
    expect([exit, JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '').error.code]).toEqual([1, code])
  })

  test('says that nobody is there', async () => {
    const { code, stderr } = await bob.parley(['pair', '42-ozone-cactus', '--at', '/ip4/127.0.0.1/tcp/1'])
    expect(code).toBe(8)
    expect(stderr).toContain('Nothing usable answers')
  })
})
