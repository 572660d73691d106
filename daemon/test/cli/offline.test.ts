import { existsSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'
import { fakeHost, parley, parleyd } from './fake-host.ts'
import { startLocalDaemon } from './local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let home: TempHome
beforeEach(() => {
  home = makeTempHome()
})
afterEach(() => home.remove())

const here = (args: readonly string[], env: Record<string, string> = {}) =>
  parley(['--home', home.path, ...args], { env })

describe('init', () => {
  it('makes an identity once', async () => {
    const first = await here(['init', '--id', 'ada@lovelace', '--json'])
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout)).toMatchObject({ id: 'ada@lovelace', nodeId: expect.stringMatching(/^12D3KooW/) })
    expect(statSync(home.file('state/keyring')).mode & 0o777).toBe(0o600)
    const second = await here(['init', '--json'])
    expect(second.code).toBe(1)
    expect(JSON.parse(second.stderr).error.code).toBe('ALREADY_INITIALIZED')
    await using daemon = await startLocalDaemon(home.path)
    expect(JSON.parse((await daemon.parley(['status', '--json'])).stdout).id).toBe('ada@lovelace')
  })

  it('gives an ID of user, host and key where none is named', async () => {
    const { stdout } = await here(['init'])
    expect(stdout).toMatch(/^\S.*@\S+-[a-z2-7]{5}\n$/)
  })

  it('refuses an ID that is none, and makes nothing', async () => {
    const { code, stderr } = await here(['init', '--id', 'a\u0007', '--json'])
    expect(code).toBe(9)
    expect(JSON.parse(stderr).error.code).toBe('CONFIG_INVALID')
    expect(existsSync(home.file('state'))).toBe(false)
  })
})

describe('config', () => {
  it('show prints every setting, and with --origin where it comes from', async () => {
    writeFileSync(home.file('config.toml'), '[limits]\nsessionCountMax = 7\n')
    const { code, stdout } = await here(['config', 'show', '--origin'], { PARLEY_LOG_LEVEL: 'warn' })
    expect(code).toBe(0)
    expect(stdout).toContain(`limits.sessionCountMax = 7  # ${home.file('config.toml')}:2\n`)
    expect(stdout).toContain('log.level = "warn"  # environment PARLEY_LOG_LEVEL\n')
    expect(stdout).toContain('trust.require = "known"  # default\n')
    expect(stdout).toContain(`socket.path = "${home.file('parley.sock')}"`)
  })

  it('show --json has key, value, origin, unit and whether a change needs a restart', async () => {
    const { stdout } = await here(['config', 'show', '--json'])
    const { settings } = JSON.parse(stdout) as { settings: Record<string, unknown>[] }
    expect(settings.find(({ key }) => key === 'limits.handshakeTimeoutMs')).toMatchObject({
      value: 10_000,
      origin: 'default',
      unit: 'milliseconds',
      variable: 'PARLEY_LIMITS_HANDSHAKE_TIMEOUT_MS',
      needsRestart: true
    })
  })

  it('check says yes, or what is wrong and where', async () => {
    expect((await here(['config', 'check'])).code).toBe(0)
    writeFileSync(home.file('config.toml'), 'version = 1\n[limits]\nsesionCountMax = 7\n')
    const { code, stderr } = await here(['config', 'check'])
    expect(code).toBe(9)
    expect(stderr).toContain(`${home.file('config.toml')}:3: limits.sesionCountMax`)
    expect(stderr).toContain('did you mean limits.sessionCountMax?')
  })

  it('check names a file that is not there', async () => {
    const { code, stderr } = await here(['config', 'check', '--config', home.file('none.toml'), '--json'])
    expect(code).toBe(9)
    expect(JSON.parse(stderr).error.code).toBe('CONFIG_NOT_FOUND')
  })

  it('check tells of variables that mean nothing', async () => {
    const { code, stderr } = await here(['config', 'check'], { PARLEY_SERVICE_HOST: '10.0.0.1' })
    expect(code).toBe(0)
    expect(stderr).toContain('PARLEY_SERVICE_HOST')
  })
})

describe('a socket that the configuration puts elsewhere', () => {
  it('is found by commands that know the home alone', async () => {
    using elsewhere = makeTempHome()
    writeFileSync(home.file('config.toml'), `[socket]\npath = "${elsewhere.file('s.sock')}"\n`)
    await using daemon = await startLocalDaemon(home.path)
    expect(daemon.loaded.socket).toBe(elsewhere.file('s.sock'))
    expect((await daemon.parley(['status'])).code).toBe(0)
    expect((await parley(['--socket', elsewhere.file('s.sock'), 'status'])).code).toBe(0)
  })
})

describe('up', () => {
  it('prints ID, card, socket and what to type next, and ends with 0 at Ctrl-C', async () => {
    const { host, out } = fakeHost({
      args: ['--home', home.path, 'up', '--listen', '/ip4/127.0.0.1/tcp/0', '--id', 'ada']
    })
    const printed = new Promise<string>(resolve => {
      const write = out._write.bind(out)
      out._write = (chunk, encoding, done) => {
        write(chunk, encoding, done)
        resolve(out.text)
      }
    })
    const { runCli } = await import('../../src/cli/main.ts')
    const ended = runCli(host)
    const text = await printed
    expect(text).toMatch(/^id {6}ada\n/)
    expect(text).toContain(home.file('parley.sock'))
    expect(text).toMatch(/card {4}parley:card:\S+\n/)
    expect(text).toContain(`parley --home ${home.path} peer add CARD`)
    ;(host as unknown as NodeJS.EventEmitter).emit('SIGINT')
    expect(await ended).toBe(0)
  })

  it.each([
    ['a home that has a daemon', [], 1, 'ALREADY_RUNNING'],
    ['an address that is none', ['--listen', 'localhost'], 9, 'CONFIG_INVALID'],
    ['a socket path that is too long', ['--socket', `/tmp/${'s'.repeat(120)}`], 9, 'SOCKET_PATH_TOO_LONG']
  ] as const)('refuses %s', async (_, args, exitCode, errorCode) => {
    await using _daemon = await startLocalDaemon(home.path)
    const { code, stderr } = await here(['up', '--json', ...args])
    expect(code).toBe(exitCode)
    expect(JSON.parse(stderr).error.code).toBe(errorCode)
  })

  it('is parleyd for a service manager: its errors are the same', async () => {
    const { code, stderr } = await parleyd(['--home', home.path, '--listen', 'nowhere'])
    expect(code).toBe(9)
    expect(stderr).toMatch(/^parleyd: flag --listen: network\.listen: /)
  })
})
