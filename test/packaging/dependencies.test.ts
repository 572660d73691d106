import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { repositoryPath } from '../support/machine.ts'

interface Manifest {
  readonly version: string
  readonly engines: { readonly node: string }
  readonly workspaces: readonly string[]
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
}

const manifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(repositoryPath, folder, 'package.json'), 'utf8'))
const root = manifest('.')
const dependencies = (folder: string): readonly string[] => Object.keys(manifest(folder).dependencies ?? {}).sort()

describe('what a package drags in', () => {
  test('the protocol needs the curves of noble alone', () => {
    expect(dependencies('protocol')).toEqual(['@noble/curves'])
  })

  test('an app that installs the SDK gets a WebSocket library and a CBOR codec with it', () => {
    expect(dependencies('client-sdk')).toEqual(['cborg', 'ws'])
  })

  test('the configuration needs its parsers alone', () => {
    expect(dependencies('config')).toEqual(['smol-toml', 'zod'])
  })

  test('of our own packages the daemon alone uses others', () => {
    const own = dependencies('daemon').filter(name => name.startsWith('@parley/'))
    expect(own).toEqual(['@parley/client-sdk', '@parley/config', '@parley/protocol'])
  })

  test('every version is exact, and the same wherever it is named', () => {
    const seen = new Map<string, string>()
    for (const folder of ['.', ...root.workspaces]) {
      const { dependencies = {}, devDependencies = {} } = manifest(folder)
      for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
        expect(version, `${name} in ${folder}`).toMatch(/^\d+\.\d+\.\d+$/)
        expect(seen.get(name) ?? version, `${name} in ${folder}`).toBe(version)
        seen.set(name, version)
      }
    }
  })

  test('the packages of one release carry one version, and need Node 22.18 or later', () => {
    for (const folder of root.workspaces) {
      expect(manifest(folder).version).toBe(root.version)
      expect(manifest(folder).engines.node).toBe('>=22.18')
    }
  })

  test('no package runs a script when it is installed', () => {
    for (const folder of root.workspaces) {
      const hooks = Object.keys(manifest(folder).scripts ?? {}).filter(name =>
        /^(pre|post)?install$|^prepare$/.test(name)
      )
      expect(hooks, folder).toEqual([])
    }
  })
})
