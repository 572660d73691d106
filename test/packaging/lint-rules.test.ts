import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { repositoryPath } from '../support/machine.ts'
import { makeTempHome } from '../support/temp-home.ts'

/** A source at a path, and the rule that must fail there; without a rule it must pass. */
interface Case {
  readonly path: string
  readonly source: string
  readonly rule?: string
}

const packages = ['protocol', 'config', 'client-sdk', 'daemon', 'test']

const IMPORTS = 'lint/style/noRestrictedImports'
const GLOBALS = 'lint/style/noRestrictedGlobals'
const UNDECLARED = 'lint/correctness/noUndeclaredDependencies'
const PLUGIN = 'plugin'

const imports = (path: string, rule: string | undefined, ...specifiers: readonly string[]): Case[] =>
  specifiers.map(specifier => ({ path, source: `export { thing } from '${specifier}'\n`, ...(rule && { rule }) }))
const uses = (path: string, rule: string | undefined, ...expressions: readonly string[]): Case[] =>
  expressions.map(expression => ({
    path,
    source: `export const thing: unknown = ${expression}\n`,
    ...(rule && { rule })
  }))

const NODE_IO = [
  'node:fs',
  'node:fs/promises',
  'node:net',
  'node:http',
  'node:os',
  'node:timers/promises',
  'node:process'
]
const LIBP2P = ['libp2p', '@libp2p/tcp', '@libp2p/interface', '@chainsafe/libp2p-noise']
const LEVEL = ['level', 'classic-level', 'abstract-level']

const cases: Record<string, readonly Case[]> = {
  'nothing under protocol/src imports I/O': [
    ...imports('protocol/src/secret.ts', IMPORTS, ...NODE_IO, 'fs', 'libp2p', 'ws'),
    ...imports('protocol/src/soter/secret.ts', IMPORTS, ...NODE_IO, '@parley/config'),
    ...imports('protocol/src/themis.ts', IMPORTS, ...NODE_IO),
    { path: 'protocol/src/secret.ts', source: "export const fs = await import('node:fs/promises')\n", rule: IMPORTS },
    { path: 'protocol/src/secret.ts', source: "export type { Stats } from 'node:fs'\n", rule: IMPORTS },
    ...imports('protocol/src/soter/secret.ts', undefined, 'node:crypto', '@noble/curves/nist.js', '../bytes.ts'),
    ...imports('protocol/src/soter/secret.ts', undefined, './kdf.ts'),
    ...imports('protocol/src/soter/secret.ts', IMPORTS, '@noble/hashes/sha2.js', '@noble/ciphers/aes.js')
  ],
  'nothing under protocol/src reads a clock, a timer, the process or chance, but for the drop-ins': [
    ...uses('protocol/src/soter/secret.ts', GLOBALS, 'Date.now()', 'setTimeout', 'setInterval', 'setImmediate'),
    ...uses('protocol/src/secure-session/secret.ts', GLOBALS, 'performance.now()', 'process.env', 'fetch', 'crypto'),
    ...uses('protocol/src/themis.ts', undefined, 'Date.now()')
  ],
  'a protocol stands on the layers below and never on another protocol': [
    ...imports('protocol/src/secure-session/step.ts', IMPORTS, '../secure-message/sign.ts', '../secure-cell/seal.ts'),
    ...imports('protocol/src/secure-session/step.ts', IMPORTS, '../themis.ts', 'node:fs', 'node:fs/promises'),
    ...imports('protocol/src/secure-cell/seal.ts', IMPORTS, '../secure-message/sign.ts'),
    ...imports('protocol/src/secure-comparator/step.ts', IMPORTS, '../secure-session/step.ts'),
    ...imports('protocol/src/secure-message/sign.ts', IMPORTS, '../secure-session/step.ts', 'node:net'),
    ...imports('protocol/src/secure-message/encrypt.ts', undefined, '../secure-cell/seal.ts', './sign.ts'),
    ...imports('protocol/src/secure-session/step.ts', undefined, '../soter/kdf.ts', '../keys.ts', '../errors.ts')
  ],
  'the contract imports nothing': [
    ...imports('client-sdk/src/contract/types.ts', IMPORTS, 'node:crypto', 'ws', 'zod', '../client.ts'),
    ...imports('client-sdk/src/contract/types.ts', undefined, './version.ts')
  ],
  'the SDK stands on a WebSocket library and a CBOR codec': [
    ...imports('client-sdk/src/client.ts', IMPORTS, 'zod', 'libp2p', '@parley/protocol', 'node:timers/promises'),
    ...imports('client-sdk/src/client.ts', undefined, 'ws', 'cborg', 'node:events', 'node:fs/promises', './peer.ts')
  ],
  'the configuration stands on its parsers and the file system': [
    ...imports('config/src/load.ts', IMPORTS, 'node:net', 'node:child_process', 'commander', '@parley/protocol'),
    ...imports('config/src/load.ts', undefined, 'zod', 'smol-toml', 'node:fs', 'node:os', 'node:path', './schema.ts')
  ],
  'the daemon imports the protocol, the configuration and the contract alone': [
    ...imports(
      'daemon/src/node.ts',
      IMPORTS,
      '@parley/client-sdk',
      '@parley/daemon/testnet',
      '@parley/protocol/src/keys.ts'
    ),
    ...imports('daemon/src/peer/session.ts', IMPORTS, '../cli/main.ts', '../testnet/index.ts', '../offline.ts'),
    ...imports('daemon/src/main.ts', IMPORTS, '@parley/client-sdk'),
    ...imports('daemon/src/store/level.ts', IMPORTS, '@parley/client-sdk'),
    ...imports('daemon/src/node.ts', undefined, '@parley/protocol', '@parley/config', '@parley/client-sdk/contract')
  ],
  'libp2p stays behind the transport port': [
    ...imports('daemon/src/node.ts', IMPORTS, ...LIBP2P),
    ...imports('daemon/src/identity/keyring.ts', IMPORTS, '@libp2p/crypto/keys', '@libp2p/peer-id'),
    ...imports('daemon/src/transport/memory.ts', IMPORTS, ...LIBP2P),
    ...imports('daemon/src/store/level.ts', IMPORTS, ...LIBP2P),
    ...imports('daemon/src/identity/keyring.ts', undefined, 'multiformats/bases/base58', 'node:crypto'),
    ...imports('daemon/src/transport/libp2p.ts', undefined, 'libp2p', '@libp2p/tcp', '@chainsafe/libp2p-noise'),
    ...imports('daemon/src/main.ts', undefined, 'libp2p')
  ],
  'LevelDB stays behind the store port': [
    ...imports('daemon/src/node.ts', IMPORTS, ...LEVEL),
    ...imports('daemon/src/store/memory.ts', IMPORTS, ...LEVEL),
    ...imports('daemon/src/transport/libp2p.ts', IMPORTS, ...LEVEL),
    ...imports('daemon/src/main.ts', IMPORTS, ...LEVEL),
    ...imports('daemon/src/store/level.ts', undefined, 'level')
  ],
  'the test network is a user of Parley': [
    ...imports(
      'daemon/src/testnet/index.ts',
      IMPORTS,
      '../node.ts',
      '../peer/session.ts',
      '@parley/protocol',
      'libp2p'
    ),
    ...imports('daemon/src/testnet/index.ts', IMPORTS, '@parley/client-sdk/contract', 'level', 'node:timers/promises'),
    ...imports(
      'daemon/src/testnet/index.ts',
      undefined,
      '../offline.ts',
      '@parley/client-sdk',
      'node:net',
      './proxy.ts'
    )
  ],
  'a command is a user of the SDK, and opens the one door lazily': [
    ...imports(
      'daemon/src/cli/send.ts',
      IMPORTS,
      '../node.ts',
      '../main.ts',
      '@parley/config',
      '@parley/client-sdk/contract'
    ),
    ...imports('daemon/src/cli/send.ts', IMPORTS, 'libp2p', 'level', '@parley/protocol'),
    ...imports(
      'daemon/src/cli/send.ts',
      undefined,
      '@parley/client-sdk',
      'commander',
      'node:fs/promises',
      './output.ts'
    ),
    ...imports('daemon/src/cli/up.ts', PLUGIN, '../offline.ts'),
    { path: 'daemon/src/cli/up.ts', source: "import { up } from '../offline.ts'\n\nawait up()\n", rule: PLUGIN },
    { path: 'daemon/src/cli/up.ts', source: "import type { Up } from '../offline.ts'\n\nexport type Door = Up\n" },
    { path: 'daemon/src/cli/up.ts', source: "export const door = () => import('../offline.ts')\n" }
  ],
  'a package imports what its own package.json declares': [
    ...imports('daemon/src/node.ts', UNDECLARED, 'fast-check', 'smol-toml'),
    ...imports('daemon/src/node.ts', undefined, 'pino')
  ],
  'time, chance and the environment come in through the constructor': [
    ...uses('daemon/src/node.ts', GLOBALS, 'setTimeout', 'setInterval', 'setImmediate', 'performance.now()', 'crypto'),
    ...uses('daemon/src/transport/libp2p.ts', GLOBALS, 'setTimeout'),
    ...uses('client-sdk/src/client.ts', GLOBALS, 'setTimeout', 'performance.now()'),
    ...uses('daemon/src/node.ts', PLUGIN, 'Date.now()', 'new Date()', 'Math.random()', 'process.hrtime.bigint()'),
    ...uses('client-sdk/src/client.ts', PLUGIN, 'Date.now', 'new Date()'),
    ...uses('daemon/src/node.ts', 'lint/style/noProcessEnv', 'process.env'),
    ...imports('daemon/src/node.ts', IMPORTS, 'node:timers', 'node:timers/promises', 'node:perf_hooks', 'node:process'),
    ...uses('daemon/src/node.ts', undefined, 'new Date(5)'),
    ...uses(
      'daemon/src/actor/system-clock.ts',
      undefined,
      'Date.now()',
      'performance.now()',
      'setTimeout',
      'setImmediate'
    ),
    ...uses('daemon/src/main.ts', undefined, 'process.env')
  ],
  'a test waits for conditions, not for time': [
    ...uses('daemon/test/node.test.ts', GLOBALS, 'setTimeout', 'setInterval'),
    ...imports('test/integration/two.test.ts', IMPORTS, 'node:timers/promises'),
    ...uses('test/support/until.ts', undefined, 'setTimeout')
  ],
  'a promise is awaited, and a switch names every case': [
    {
      path: 'daemon/src/node.ts',
      source: 'async function work(): Promise<void> {}\nexport function start(): void {\n  work()\n}\n',
      rule: 'lint/nursery/noFloatingPromises'
    },
    {
      path: 'daemon/src/node.ts',
      source: 'async function work(): Promise<boolean> {\n  return true\n}\nexport const no = work() ? 1 : 2\n',
      rule: 'lint/nursery/noMisusedPromises'
    },
    {
      path: 'daemon/src/node.ts',
      source:
        "type State = 'on' | 'off'\nexport function act(state: State): void {\n  switch (state) {\n    case 'on':\n      act('off')\n  }\n}\n",
      rule: 'lint/nursery/useExhaustiveSwitchCases'
    },
    {
      path: 'daemon/src/node.ts',
      source:
        'async function work(): Promise<void> {}\nexport async function start(): Promise<void> {\n  await work()\n}\n'
    }
  ],
  'modules have named exports and no skipped tests': [
    { path: 'daemon/src/node.ts', source: 'export default 1\n', rule: 'lint/style/noDefaultExport' },
    { path: 'daemon/src/node.ts', source: 'export enum State {\n  on\n}\n', rule: 'lint/style/noEnum' },
    {
      path: 'daemon/test/node.test.ts',
      source: "import { test } from 'vitest'\n\ntest.skip('waits', () => {})\n",
      rule: 'lint/suspicious/noSkippedTests'
    },
    {
      path: 'daemon/test/node.test.ts',
      source: "import { test } from 'vitest'\n\ntest.only('waits', () => {})\n",
      rule: 'lint/suspicious/noFocusedTests'
    }
  ]
}

interface Diagnostic {
  readonly category: string
  readonly severity: string
  readonly location: { readonly path: string }
}

describe("the repository's own rules fail what breaks them", () => {
  const home = makeTempHome()
  const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome')
  const found = new Map<Case, readonly string[]>()
  afterAll(() => home.remove())

  beforeAll(() => {
    for (const path of ['biome.json', '.ci/lint', 'package.json', ...packages.map(name => `${name}/package.json`)]) {
      cpSync(join(repositoryPath, path), home.file(path), { recursive: true })
    }
    // Some rules hang on a file's exact path, so a run of Biome takes at most one case of each path.
    const waiting = Map.groupBy(Object.values(cases).flat(), one => one.path)
    while (waiting.size > 0) {
      const round = [...waiting.values()].map(list => list.shift() as Case)
      for (const [path, list] of waiting) if (list.length === 0) waiting.delete(path)
      lint(round)
    }
  })

  function lint(round: readonly Case[]): void {
    for (const { path, source } of round) {
      mkdirSync(dirname(home.file(path)), { recursive: true })
      writeFileSync(home.file(path), source)
    }
    const args = ['lint', '--vcs-enabled=false', '--error-on-warnings', '--max-diagnostics=none', '--reporter=json']
    const done = spawnSync(process.execPath, [biome, ...args], { cwd: home.path, encoding: 'utf8' })
    const { diagnostics } = JSON.parse(done.stdout) as { diagnostics: readonly Diagnostic[] }
    const errors = diagnostics.filter(one => one.severity === 'error' || one.severity === 'warning')
    expect(done.status === 0).toBe(errors.length === 0)
    for (const one of round) {
      const categories = errors.filter(error => error.location.path === one.path).map(error => error.category)
      found.set(one, categories)
      rmSync(home.file(one.path))
    }
  }

  test.for(Object.entries(cases))('%s', ([, list]) => {
    for (const one of list) {
      const where = `${one.path}: ${one.source}`
      if (one.rule === undefined) expect(found.get(one), where).toEqual([])
      else expect(found.get(one), where).toContain(one.rule)
    }
  })
})
