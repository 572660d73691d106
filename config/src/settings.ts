import type { z } from 'zod'
import { configSchema } from './schema.ts'

/** One setting as documents, `config show` and the environment know it. */
export interface Setting {
  /** As in the file: `limits.handshakeTimeoutMs`. */
  readonly key: string
  readonly path: readonly [section: string, name: string]
  readonly kind: 'number' | 'boolean' | 'text' | 'list'
  /** `PARLEY_LIMITS_HANDSHAKE_TIMEOUT_MS`. */
  readonly variable: string
  /** A shorter name of the same variable, for those set often. */
  readonly shortVariable?: string
  /** The flag of `parley up` and `parleyd` that sets it. */
  readonly flag?: string
  readonly description: string
  readonly unit?: string
  readonly min?: number
  readonly max?: number
}

const SHORT_VARIABLES: Readonly<Record<string, string>> = {
  'identity.passphraseFile': 'PARLEY_PASSPHRASE_FILE',
  'network.listen': 'PARLEY_LISTEN',
  'socket.path': 'PARLEY_SOCKET'
}

const FLAGS: Readonly<Record<string, string>> = {
  'node.id': '--id',
  'node.profile': '--profile',
  'identity.passphraseFile': '--passphrase-file',
  'network.listen': '--listen',
  'network.announce': '--announce',
  'socket.path': '--socket',
  'log.level': '--log-level',
  'log.format': '--log-format'
}

/** Every setting, in the order of the schema; `version` is none. */
export const SETTINGS: readonly Setting[] = Object.entries(configSchema.shape).flatMap(([section, schema]) => {
  const inner = unwrap(schema)
  if (inner.def.type !== 'object') return []
  const { shape } = inner.def as z.core.$ZodObjectDef
  return Object.entries(shape).map(([name, member]) => toSetting(section, name, member as z.ZodType))
})

function toSetting(section: string, name: string, schema: z.ZodType): Setting {
  const key = `${section}.${name}`
  const { description, unit, min, max } = (schema.meta() ?? {}) as Partial<Setting>
  const shortVariable = SHORT_VARIABLES[key]
  const flag = FLAGS[key]
  return {
    key,
    path: [section, name],
    kind: kindOf(unwrap(schema)),
    variable: `PARLEY_${section.toUpperCase()}_${name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`,
    description: description ?? '',
    ...(shortVariable === undefined ? {} : { shortVariable }),
    ...(flag === undefined ? {} : { flag }),
    ...(unit === undefined ? {} : { unit }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max })
  }
}

/** The schema inside `.default()`, `.prefault()` and `.optional()`. */
function unwrap(schema: z.ZodType): z.ZodType {
  const { innerType } = schema.def as { innerType?: z.ZodType }
  return innerType === undefined ? schema : unwrap(innerType)
}

function kindOf(schema: z.ZodType): Setting['kind'] {
  switch (schema.def.type) {
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'array':
      return 'list'
    default:
      return 'text'
  }
}
