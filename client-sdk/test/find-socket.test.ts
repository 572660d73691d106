import { describe, expect, it } from 'vitest'
import { socketPaths } from '../src/find-socket.ts'
import { codeOf } from './support/connected.ts'

const SYSTEM = '/run/parley/parley.sock'

describe('socketPaths', () => {
  it.each([
    [
      'the socket option before all',
      { socket: '/s', home: '/h', env: { PARLEY_SOCKET: '/e', PARLEY_HOME: '/f' } },
      ['/s']
    ],
    ['then the home option', { home: '/h', env: { PARLEY_SOCKET: '/e', PARLEY_HOME: '/f' } }, ['/h/parley.sock']],
    ['then PARLEY_SOCKET', { env: { PARLEY_SOCKET: '/e', PARLEY_HOME: '/f' } }, ['/e']],
    ['then PARLEY_HOME', { env: { PARLEY_HOME: '/f', XDG_RUNTIME_DIR: '/r' } }, ['/f/parley.sock']],
    [
      'then the runtime directory, then the system',
      { env: { XDG_RUNTIME_DIR: '/r', HOME: '/u' } },
      ['/r/parley/parley.sock', SYSTEM]
    ],
    [
      'the state directory without one',
      { env: { XDG_STATE_HOME: '/x', HOME: '/u' } },
      ['/x/parley/parley.sock', SYSTEM]
    ],
    ['and by default that of the user', { env: { HOME: '/u' } }, ['/u/.local/state/parley/parley.sock', SYSTEM]],
    [
      'nothing that is empty',
      { socket: '', home: '', env: { PARLEY_SOCKET: '', PARLEY_HOME: '', HOME: '/u' } },
      ['/u/.local/state/parley/parley.sock', SYSTEM]
    ],
    [
      'no relative directory',
      { env: { XDG_RUNTIME_DIR: 'r', XDG_STATE_HOME: 'x', HOME: '/u' } },
      ['/u/.local/state/parley/parley.sock', SYSTEM]
    ]
  ])('takes %s', (_what, options, paths) => {
    expect(socketPaths(options)).toEqual(paths)
  })

  it('refuses a path that no socket can have', async () => {
    const socket = `/${'s'.repeat(200)}`
    expect(await codeOf((async () => socketPaths({ socket }))())).toBe('SOCKET_PATH_TOO_LONG')
  })
})
