import type { z } from 'zod'
import { ConfigError, type ConfigProblem } from './errors.ts'
import { contradictions, TEST_PROFILE_LIMITS } from './limits.ts'
import { type Config, type ConfigInput, configSchema } from './schema.ts'

type Issue = z.core.$ZodIssue

/** What checking found, by path, before anyone has said where a setting stands. */
export interface SettingProblem {
  readonly path: readonly string[]
  readonly message: string
  /** Set where the key itself is unknown. */
  readonly unknownKey?: string
}

/** Checks settings, fills in defaults (those of the profile) and freezes the result, or says all that is wrong. */
export function checkSettings(input: unknown): { readonly config: Config } | { readonly problems: SettingProblem[] } {
  const parsed = configSchema.safeParse(withProfile(input))
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(toProblems) }
  const wrong = contradictions(parsed.data.limits)
  if (wrong.length > 0) {
    return { problems: wrong.map(({ key, message }) => ({ path: ['limits', key], message })) }
  }
  return { config: deepFreeze(parsed.data) as Config }
}

/**
 * A whole configuration from some settings, for programs and tests that read no file.
 *
 * @throws {ConfigError} `CONFIG_INVALID`
 */
export function makeConfig(input: ConfigInput = {}): Config {
  const checked = checkSettings(input)
  if ('config' in checked) return checked.config
  throw new ConfigError(
    'CONFIG_INVALID',
    checked.problems.map(({ path, message }): ConfigProblem => ({ key: path.join('.'), message, source: 'settings' }))
  )
}

/** The profile's limits stand in for defaults, so what is set by hand wins. */
function withProfile(input: unknown): unknown {
  if (!isRecord(input)) return input
  const { node, limits = {} } = input
  if (!isRecord(node) || !isRecord(limits)) return input
  const { profile } = node
  if (profile !== 'test') return input
  return { ...input, limits: { ...TEST_PROFILE_LIMITS, ...limits } }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toProblems(issue: Issue): SettingProblem[] {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }]
  return issue.keys.map(key => ({ path: [...path, key], message: 'there is no such setting', unknownKey: key }))
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member)
    Object.freeze(value)
  }
  return value
}
