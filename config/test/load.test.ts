import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, describeOrigin, type LoadOptions, loadConfig, SETTINGS } from '../src/index.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'parley-config-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const options = (more: Partial<LoadOptions> = {}): LoadOptions => ({
  env: {},
  platform: 'linux',
  userHome: '/home/ada',
  home: dir,
  ...more
})
const write = (text: string): void => writeFileSync(join(dir, 'config.toml'), text)
const failure = (run: () => unknown): ConfigError => {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was refused')
}
const problemOf = (text: string) => {
  write(text)
  const error = failure(() => loadConfig(options()))
  expect(error.code).toBe('CONFIG_INVALID')
  return error.problems[0]
}
const originOf = (loaded: ReturnType<typeof loadConfig>, key: string): string => {
  const origin = loaded.origins.get(key)
  return origin === undefined ? 'none' : describeOrigin(origin)
}

describe('the layers', () => {
  it('gives the defaults where nothing is said', () => {
    const loaded = loadConfig(options())
    expect(loaded.config.limits.messageBytesMax).toBe(1_048_576)
    expect(loaded.config.network.listen).toEqual(['/ip4/0.0.0.0/tcp/7390'])
    expect(loaded.file).toBeNull()
    expect(new Set([...loaded.origins.values()].map(describeOrigin))).toEqual(new Set(['default']))
    expect([...loaded.origins.keys()]).toEqual(SETTINGS.map(setting => setting.key))
  })

  it('lets the file win over defaults, variables over the file, and flags over variables, and says so', () => {
    write('[log]\nlevel = "debug"\nformat = "json"\n\n[limits]\nsessionCountMax = 7\npingAfterMs = 500\n')
    const loaded = loadConfig(
      options({
        env: {
          PARLEY_LOG_LEVEL: 'warn',
          PARLEY_LIMITS_SESSION_COUNT_MAX: '1_000',
          PARLEY_LISTEN: '/ip4/127.0.0.1/tcp/0'
        },
        flags: { 'log.level': 'error' }
      })
    )
    expect(loaded.config.log).toEqual({ level: 'error', format: 'json' })
    expect(loaded.config.limits.sessionCountMax).toBe(1_000)
    expect(loaded.config.limits.pingAfterMs).toBe(500)
    expect(loaded.config.network.listen).toEqual(['/ip4/127.0.0.1/tcp/0'])
    const file = join(dir, 'config.toml')
    expect(originOf(loaded, 'log.level')).toBe('flag --log-level')
    expect(originOf(loaded, 'log.format')).toBe(`${file}:3`)
    expect(originOf(loaded, 'limits.sessionCountMax')).toBe('environment PARLEY_LIMITS_SESSION_COUNT_MAX')
    expect(originOf(loaded, 'limits.pingAfterMs')).toBe(`${file}:7`)
    expect(originOf(loaded, 'network.listen')).toBe('environment PARLEY_LISTEN')
    expect(originOf(loaded, 'trust.require')).toBe('default')
  })

  it('lets profile "test" raise the limits per address and the handshakes per contact, and nothing else', () => {
    const usual = loadConfig(options()).config.limits
    const loaded = loadConfig(options({ flags: { 'node.profile': 'test' } }))
    const changed = Object.entries(loaded.config.limits).filter(
      ([name, value]) => usual[name as keyof typeof usual] !== value
    )
    expect(changed.map(([name]) => name).sort()).toEqual([
      'connectionsPerSecondPerAddress',
      'connectionsPerSecondPerNode',
      'handshakesAtOncePerContact',
      'handshakesPerMinutePerContact'
    ])
    expect(originOf(loaded, 'limits.connectionsPerSecondPerNode')).toBe('profile test')
  })

  it('lets a limit set by hand win over the profile', () => {
    write('[node]\nprofile = "test"\n[limits]\nconnectionsPerSecondPerNode = 9\n')
    expect(loadConfig(options()).config.limits.connectionsPerSecondPerNode).toBe(9)
  })

  it('gives a result that cannot be changed', () => {
    const { config } = loadConfig(options())
    expect(() => Object.assign(config.limits, { sessionCountMax: 1 })).toThrow(TypeError)
    expect(() => (config.network.listen as string[]).push('x')).toThrow(TypeError)
  })

  it('lets PARLEY_SOCKET win over PARLEY_HOME, and --home over both', () => {
    const env = { PARLEY_HOME: dir, PARLEY_SOCKET: '/run/other.sock' }
    expect(loadConfig({ ...options({ env }), home: undefined }).socket).toBe('/run/other.sock')
    expect(loadConfig(options({ env })).socket).toBe(join(dir, 'parley.sock'))
    expect(loadConfig(options({ env, flags: { 'socket.path': '/run/mine.sock' } })).socket).toBe('/run/mine.sock')
  })

  it('takes an empty variable as unset', () => {
    expect(loadConfig(options({ env: { PARLEY_LISTEN: '' } })).config.network.listen).toEqual(['/ip4/0.0.0.0/tcp/7390'])
  })

  it('has a variable for every setting', () => {
    for (const setting of SETTINGS) {
      const loaded = failure(() => loadConfig(options({ env: { [setting.variable]: '\u0000' } })))
      expect(loaded.problems[0]?.source, setting.key).toBe(`environment ${setting.variable}`)
    }
  })
})

describe('what is refused', () => {
  it('names an unknown key, its line, and the nearest that there is', () => {
    expect(problemOf('version = 1\n\n[limits]\nsesionCountMax = 3\n')).toEqual({
      key: 'limits.sesionCountMax',
      message: 'there is no such setting; did you mean limits.sessionCountMax?',
      source: join(dir, 'config.toml'),
      line: 4
    })
  })

  it('names an unknown section, and the section a misplaced key belongs to', () => {
    expect(problemOf('[netwrok]\nlisten = []\n')).toMatchObject({ key: 'netwrok', line: 1 })
    expect(problemOf('[netwrok]\nlisten = []\n')?.message).toContain('network')
    expect(problemOf('[node]\nid = "ada"\nlisten = []\n')?.message).toContain('[network]')
  })

  it.each([
    ['a value over its hard maximum', '[limits]\nmessageBytesMax = 1_048_577\n', 'limits.messageBytesMax', 2],
    ['infinity', '[limits]\n\ncallCountMax = inf\n', 'limits.callCountMax', 3],
    ['a number as text', '[limits]\ncallCountMax = "9"\n', 'limits.callCountMax', 2],
    ['a fraction', 'limits.callCountMax = 9.5\n', 'limits.callCountMax', 1],
    ['a date', 'limits = { callCountMax = 2020-01-01 }\n', 'limits.callCountMax', 1],
    ['a version that is not there yet', '\nversion = 2\n', 'version', 2],
    [
      'an address that is no TCP multiaddr',
      '[network]\nlisten = [\n  "/ip4/1.2.3.4/tcp/1",\n  "localhost:7390"\n]\n',
      'network.listen',
      2
    ],
    ['a wildcard on the card', '[network]\nannounce = ["/ip6/::/tcp/7390"]\n', 'network.announce', 2],
    ['port 0 on the card', '[network]\nannounce = ["/ip4/1.2.3.4/tcp/0"]\n', 'network.announce', 2],
    ['a socket that everyone may open', '[socket]\nmode = "0666"\n', 'socket.mode', 2],
    ['a relative socket path', '[socket]\npath = "parley.sock"\n', 'socket.path', 2],
    ['an ID with a control character', '[node]\nid = "a\\u0007"\n', 'node.id', 2],
    ['a section that is none', 'limits = 4\n', 'limits', 1],
    [
      'limits that contradict each other',
      '[limits]\npingAfterMs = 900\npeerDeadAfterMs = 900\n',
      'limits.peerDeadAfterMs',
      3
    ],
    ['a frame too small for its message', '[limits]\nframeBytesMax = 1_048_577\n', 'limits.frameBytesMax', 2]
  ])('refuses %s by key and line', (_, text, key, line) => {
    expect(problemOf(text)).toMatchObject({ key, line })
  })

  it('gives the line where a file stops being TOML', () => {
    expect(problemOf('version = 1\n[limits\n')).toMatchObject({ line: 2, source: join(dir, 'config.toml') })
    expect(problemOf('version = 1\nversion = 1\n')).toMatchObject({ line: 2 })
  })

  it('tells all that is wrong at once, in the order of the file', () => {
    write('[limits]\nx = 1\ncallCountMax = 0\n[log]\nlevel = "loud"\n')
    const error = failure(() => loadConfig(options()))
    expect(error.problems.map(problem => problem.line)).toEqual([2, 3, 5])
  })

  it('is not fooled by keys inside multi-line text', () => {
    expect(problemOf('[node]\nid = """\ncallCountMax = 1\n"""\n[limits]\ncallCountMax = 0\n')).toBeDefined()
    const error = failure(() => loadConfig(options()))
    expect(error.problems.find(problem => problem.key === 'limits.callCountMax')?.line).toBe(6)
  })

  it('names a variable with a wrong value, and a flag', () => {
    const variable = failure(() => loadConfig(options({ env: { PARLEY_LIMITS_CALL_COUNT_MAX: 'many' } })))
    expect(variable.problems[0]).toMatchObject({
      key: 'limits.callCountMax',
      source: 'environment PARLEY_LIMITS_CALL_COUNT_MAX'
    })
    const flag = failure(() => loadConfig(options({ flags: { 'network.listen': ['nowhere'] } })))
    expect(flag.problems[0]).toMatchObject({ key: 'network.listen', source: 'flag --listen' })
  })

  it('refuses a misspelt variable, and leaves alone what container tools make', () => {
    const near = failure(() => loadConfig(options({ env: { PARLEY_LISTN: 'x' } })))
    expect(near.problems[0]?.message).toContain('PARLEY_LISTEN')
    const ofSection = failure(() => loadConfig(options({ env: { PARLEY_LIMITS_WHATEVER: '1' } })))
    expect(ofSection.code).toBe('CONFIG_INVALID')
    const env = {
      PARLEY_PORT: 'tcp://10.0.0.1:7390',
      PARLEY_SERVICE_HOST: '10.0.0.1',
      PARLEY_PORT_7390_TCP_ADDR: '10.0.0.1'
    }
    expect(loadConfig(options({ env })).ignoredVariables).toEqual(Object.keys(env))
  })

  it('refuses two variables for one setting', () => {
    const env = { PARLEY_LISTEN: '/ip4/0.0.0.0/tcp/1', PARLEY_NETWORK_LISTEN: '/ip4/0.0.0.0/tcp/2' }
    expect(failure(() => loadConfig(options({ env }))).code).toBe('CONFIG_INVALID')
  })

  it('tells a named file that is not there from one that cannot be read', () => {
    expect(failure(() => loadConfig(options({ configFile: join(dir, 'none.toml') }))).code).toBe('CONFIG_NOT_FOUND')
    mkdirSync(join(dir, 'folder.toml'))
    expect(failure(() => loadConfig(options({ configFile: join(dir, 'folder.toml') }))).code).toBe('CONFIG_INVALID')
    write('version = 1\n')
    chmodSync(join(dir, 'config.toml'), 0o600)
    expect(loadConfig(options()).file).toBe(join(dir, 'config.toml'))
  })

  it('holds no value of the configuration in the error', () => {
    write('[log]\nlevel = "hunter2"\n')
    expect(failure(() => loadConfig(options())).message).not.toContain('hunter2')
  })
})
