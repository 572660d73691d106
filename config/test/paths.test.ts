import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, type PathsInput, resolvePaths } from '../src/index.ts'

const input = (env: PathsInput['env'] = {}, more: Partial<PathsInput> = {}): PathsInput => ({
  env,
  platform: 'linux',
  userHome: '/home/ada',
  ...more
})

describe('where things lie', () => {
  it('puts everything under one home, the flag before the variable', () => {
    expect(resolvePaths(input({ PARLEY_HOME: '/b', XDG_RUNTIME_DIR: '/run/user/1' }, { home: '/a' }))).toEqual({
      home: '/a',
      stateDir: '/a/state',
      configFiles: ['/a/config.toml'],
      configFileNamed: false,
      defaultSocket: '/a/parley.sock'
    })
    expect(resolvePaths(input({ PARLEY_HOME: '/b' })).home).toBe('/b')
  })

  it('follows XDG without a home: the user before the system', () => {
    expect(
      resolvePaths(input({ XDG_RUNTIME_DIR: '/run/user/1', XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: '/s' }))
    ).toEqual({
      home: null,
      stateDir: '/s/parley',
      configFiles: ['/c/parley/config.toml', '/etc/parley/config.toml'],
      configFileNamed: false,
      defaultSocket: '/run/user/1/parley/parley.sock'
    })
  })

  it('puts the socket into the state directory where there is no runtime directory', () => {
    expect(resolvePaths(input()).defaultSocket).toBe('/home/ada/.local/state/parley/parley.sock')
  })

  it('ignores relative XDG directories', () => {
    const paths = resolvePaths(input({ XDG_RUNTIME_DIR: 'run', XDG_CONFIG_HOME: 'c', XDG_STATE_HOME: 's' }))
    expect(paths.stateDir).toBe('/home/ada/.local/state/parley')
    expect(paths.defaultSocket).toBe('/home/ada/.local/state/parley/parley.sock')
    expect(paths.configFiles[0]).toBe('/home/ada/.config/parley/config.toml')
  })
})

describe('the path of the socket', () => {
  const load = (socket: string, platform: string) =>
    loadConfig(input({}, { home: '/nowhere', platform, ...{ flags: { 'socket.path': socket } } }))
  const path = (bytes: number): string => `/${'s'.repeat(bytes - 1)}`

  it.each([
    ['linux', 107],
    ['darwin', 103]
  ])('may have as many bytes as %s takes, and no more', (platform, most) => {
    expect(load(path(most), platform).socket).toBe(path(most))
    expect(() => load(path(most + 1), platform)).toThrow(ConfigError)
    expect(() => load(path(most + 1), platform)).toThrow(expect.objectContaining({ code: 'SOCKET_PATH_TOO_LONG' }))
  })

  it('counts bytes, not characters', () => {
    expect(() => load(`/${'é'.repeat(54)}`, 'linux')).toThrow(expect.objectContaining({ code: 'SOCKET_PATH_TOO_LONG' }))
  })
})
