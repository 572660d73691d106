import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError, type ConfigProblem } from './errors.ts'
import { TEST_PROFILE_LIMITS } from './limits.ts'
import { checkSettings, isRecord, type SettingProblem } from './make.ts'
import { nearest } from './nearest.ts'
import { assertSocketPath, type Paths, type PathsInput, resolvePaths } from './paths.ts'
import type { Config } from './schema.ts'
import { SETTINGS, type Setting } from './settings.ts'
import { lineOf, parseToml, type TomlFile } from './toml.ts'

export interface LoadOptions extends PathsInput {
  /** Settings given as flags, by key, as text: `{ 'network.listen': ['/ip4/127.0.0.1/tcp/0'] }`. They win over all else. */
  readonly flags?: Readonly<Record<string, string | readonly string[]>>
}

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'default' | 'profile' }
  | { readonly kind: 'file'; readonly file: string; readonly line: number | undefined }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string }

/** A configuration, the paths that go with it, and where each value comes from. */
export interface LoadedConfig {
  readonly config: Config
  readonly paths: Paths
  /** Absolute, and short enough for this system. */
  readonly socket: string
  /** The file that was read, or null where there was none. */
  readonly file: string | null
  /** By key, for every setting. */
  readonly origins: ReadonlyMap<string, Origin>
  /** Variables that start with `PARLEY_` and mean nothing to this version: container tools make some of these. */
  readonly ignoredVariables: readonly string[]
}

/** Variables that are no settings. */
const OTHER_VARIABLES = ['PARLEY_HOME', 'PARLEY_CONFIG']

interface Layer {
  readonly values: Record<string, Record<string, unknown>>
  readonly origins: Map<string, Origin>
}

/**
 * Loads the configuration: defaults, then the first file there is, then `PARLEY_*`, then flags.
 *
 * @throws {ConfigError} `CONFIG_NOT_FOUND` the named file is not there; `CONFIG_INVALID`; `SOCKET_PATH_TOO_LONG`
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const paths = resolvePaths(options)
  const file = readFirst(paths)
  const environment = fromEnvironment(environmentOf(options))
  const flags = fromFlags(options.flags ?? {})
  const layers = [environment, flags]
  const checked = checkSettings(merge(file?.values ?? {}, layers))
  if ('problems' in checked) {
    throw new ConfigError(
      'CONFIG_INVALID',
      checked.problems.map(problem => locate(problem, file, layers)).sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
    )
  }
  const { config } = checked
  const origins = originsOf(config, file, layers)
  const socket = config.socket.path ?? paths.defaultSocket
  assertSocketPath(socket, options.platform, describeOrigin(origins.get('socket.path') ?? { kind: 'default' }))
  return { config, paths, socket, file: file?.file ?? null, origins, ignoredVariables: environment.ignored }
}

/** An origin in words: `default`, `/etc/parley/config.toml:12`, `environment PARLEY_LISTEN`, `flag --listen`. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default'
    case 'profile':
      return 'profile test'
    case 'file':
      return origin.line === undefined ? origin.file : `${origin.file}:${origin.line}`
    case 'environment':
      return `environment ${origin.variable}`
    case 'flag':
      return `flag ${origin.flag}`
  }
}

function readFirst(paths: Paths): TomlFile | undefined {
  for (const file of paths.configFiles) {
    const text = readIfThere(file)
    if (text !== undefined) return parseToml(file, text)
  }
  const [file = ''] = paths.configFiles
  if (!paths.configFileNamed) return undefined
  throw new ConfigError('CONFIG_NOT_FOUND', [{ key: '', message: 'there is no such file', source: file }])
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new ConfigError('CONFIG_INVALID', [{ key: '', message: `cannot be read (${code})`, source: file }], { cause })
  }
}

/** The variables that count. `--home` names another daemon than `PARLEY_SOCKET` does, and a flag wins, as it does for the SDK. */
function environmentOf({ env, home }: LoadOptions): LoadOptions['env'] {
  if (home === undefined || home === '') return env
  const { PARLEY_SOCKET: _ignored, ...others } = env
  return others
}

function fromEnvironment(env: LoadOptions['env']): Layer & { readonly ignored: readonly string[] } {
  const layer: Layer = { values: {}, origins: new Map() }
  const names = new Map(SETTINGS.map(setting => [setting.variable, setting]))
  for (const setting of SETTINGS) if (setting.shortVariable !== undefined) names.set(setting.shortVariable, setting)
  const ignored: string[] = []
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('PARLEY_') || text === undefined || text === '' || OTHER_VARIABLES.includes(variable))
      continue
    const setting = names.get(variable)
    if (setting === undefined) {
      refuseNearMiss(variable, [...names.keys(), ...OTHER_VARIABLES])
      ignored.push(variable)
      continue
    }
    const other = layer.origins.get(setting.key)
    if (other?.kind === 'environment') {
      const message = `is set by ${other.variable} too; keep one of them`
      throw new ConfigError('CONFIG_INVALID', [{ key: setting.key, message, source: `environment ${variable}` }])
    }
    put(layer, setting, fromText(setting, text), { kind: 'environment', variable })
  }
  return { ...layer, ignored }
}

/** A misspelt variable must not be lost in silence, but Kubernetes and Docker make `PARLEY_PORT_…` for a service of that name. */
function refuseNearMiss(variable: string, known: readonly string[]): void {
  const word = (name: string): string => name.slice('PARLEY_'.length)
  const near = nearest(word(variable), known.map(word))
  const ofSection = SETTINGS.some(({ path: [section] }) => variable.startsWith(`PARLEY_${section.toUpperCase()}_`))
  if (!ofSection && near === undefined) return
  const message = `there is no such variable${near === undefined ? '' : `; did you mean PARLEY_${near}?`}`
  throw new ConfigError('CONFIG_INVALID', [{ key: '', message, source: `environment ${variable}` }])
}

function fromFlags(flags: NonNullable<LoadOptions['flags']>): Layer {
  const layer: Layer = { values: {}, origins: new Map() }
  for (const [key, given] of Object.entries(flags)) {
    const setting = SETTINGS.find(setting => setting.key === key)
    if (setting === undefined) throw new TypeError(`no setting ${key}`)
    put(layer, setting, typeof given === 'string' ? fromText(setting, given) : given, {
      kind: 'flag',
      flag: setting.flag ?? key
    })
  }
  return layer
}

function put(layer: Layer, setting: Setting, value: unknown, origin: Origin): void {
  const [section, name] = setting.path
  layer.values[section] = { ...layer.values[section], [name]: value }
  layer.origins.set(setting.key, origin)
}

/** The typed value that a text means; one that means none stays text, which the schema then refuses with its reason. */
function fromText(setting: Setting, text: string): unknown {
  if (setting.key === 'socket.path') return resolve(text)
  switch (setting.kind) {
    case 'number':
      return /^\d[\d_]*$/.test(text) ? Number(text.replaceAll('_', '')) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'list':
      return text.split(',').map(item => item.trim())
    case 'text':
      return text
  }
}

function merge(file: Record<string, unknown>, layers: readonly Layer[]): unknown {
  const merged = { ...file }
  for (const { values } of layers) {
    for (const [section, members] of Object.entries(values)) {
      const below = merged[section]
      // A section that is no table stays what it is: the schema names it.
      if (below === undefined || isRecord(below)) merged[section] = { ...below, ...members }
    }
  }
  return merged
}

function originsOf(config: Config, file: TomlFile | undefined, layers: readonly Layer[]): Map<string, Origin> {
  const given = (path: Setting['path'], values: Record<string, unknown>): boolean => {
    const section = values[path[0]]
    return isRecord(section) && section[path[1]] !== undefined
  }
  const profile: Record<string, unknown> = config.node.profile === 'test' ? { limits: TEST_PROFILE_LIMITS } : {}
  return new Map(
    SETTINGS.map(({ key, path }): [string, Origin] => {
      const layer = layers.findLast(layer => layer.origins.has(key))?.origins.get(key)
      if (layer !== undefined) return [key, layer]
      if (file !== undefined && given(path, file.values)) {
        return [key, { kind: 'file', file: file.file, line: lineOf(file.text, path) }]
      }
      return [key, { kind: given(path, profile) ? 'profile' : 'default' }]
    })
  )
}

function locate(problem: SettingProblem, file: TomlFile | undefined, layers: readonly Layer[]): ConfigProblem {
  const key = settingKey(problem.path)
  const message = `${problem.message}${suggestion(problem)}`
  const origin = layers.findLast(layer => layer.origins.has(key))?.origins.get(key)
  if (origin !== undefined) return { key, message, source: describeOrigin(origin) }
  if (file === undefined) return { key, message, source: 'defaults' }
  const line = lineOf(file.text, problem.path)
  return { key, message, source: file.file, ...(line === undefined ? {} : { line }) }
}

/** `network.listen.0` is about the setting `network.listen`. */
function settingKey(path: readonly string[]): string {
  const key = path.slice(0, 2).join('.')
  return SETTINGS.some(setting => setting.key === key) ? key : path.join('.')
}

function suggestion({ path, unknownKey }: SettingProblem): string {
  if (unknownKey === undefined) return ''
  const sections = [...new Set(SETTINGS.map(setting => setting.path[0]))]
  const names = SETTINGS.filter(setting => setting.path[0] === path[0]).map(setting => setting.path[1])
  const near = nearest(unknownKey, path.length === 1 ? [...sections, 'version'] : names)
  if (near !== undefined) return `; did you mean ${[...path.slice(0, -1), near].join('.')}?`
  const elsewhere = SETTINGS.find(setting => setting.path[1] === unknownKey)
  return elsewhere === undefined ? '' : `; it belongs into [${elsewhere.path[0]}]`
}
