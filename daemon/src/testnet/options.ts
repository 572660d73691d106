import { join } from 'node:path'
import { ParleyError, socketPaths } from '@parley/client-sdk'
import type { Topology } from './topology.ts'

/** A value of a daemon's configuration file. */
export type SettingValue = string | number | boolean | readonly string[]

export interface TestnetOptions {
  /** How many nodes, 3 unless given or named. */
  readonly nodes?: number | undefined
  /** Their names, and so the names by which they know each other; `n1`, `n2`, … unless given. Letters, digits, `-` and `_`. */
  readonly names?: readonly string[] | undefined
  /** The folder that holds their homes, by name; made (0700) where it is missing. One in the system's temporary folder unless given. */
  readonly dir?: string | undefined
  /** Which nodes are linked, and so have each other as contacts; `full` unless given. */
  readonly topology?: Topology | undefined
  /** How many daemons share a process, 1 unless given. Those that do are killed together. */
  readonly perProcess?: number | undefined
  /** Settings of every daemon, by key: `{ 'limits.rekeyAfterWraps': 16 }`. */
  readonly settings?: Readonly<Record<string, SettingValue>> | undefined
  /** Added to the environment of the daemons, which has nothing of this process's but `HOME`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** How long the start may take, 2 minutes unless given. */
  readonly timeoutMs?: number | undefined
  /** Gives the start up; what was started is stopped. */
  readonly signal?: AbortSignal | undefined
}

const NODE_COUNT = 3
const NODE_COUNT_MAX = 1_000
const PER_PROCESS_MAX = 100
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/

/** The names of the nodes. @throws {ParleyError} `USAGE` */
export function namesOf({ nodes, names }: TestnetOptions): readonly string[] {
  if (names === undefined) {
    return Array.from({ length: count('nodes', nodes ?? NODE_COUNT, NODE_COUNT_MAX) }, (_, index) => `n${index + 1}`)
  }
  if (nodes !== undefined && nodes !== names.length) throw usage(`${nodes} nodes have ${names.length} names.`)
  count('names', names.length, NODE_COUNT_MAX)
  const wrong = names.find(name => !NAME.test(name))
  if (wrong !== undefined) throw usage(`${JSON.stringify(wrong)} cannot be the name of a node.`)
  if (new Set(names.map(name => name.toLowerCase())).size < names.length) throw usage('Two nodes have the same name.')
  return names
}

/** How many daemons share a process. @throws {ParleyError} `USAGE` */
export function perProcessOf({ perProcess = 1 }: TestnetOptions): number {
  return count('perProcess', perProcess, PER_PROCESS_MAX)
}

/** Refuses a folder whose homes' sockets would have no address. @throws {ParleyError} `SOCKET_PATH_TOO_LONG` */
export function checkSocketPaths(dir: string, names: readonly string[]): void {
  for (const name of names) socketPaths({ home: join(dir, name), env: {} })
}

function count(what: string, value: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value
  throw usage(`${what} must be a whole number from 1 to ${max}, not ${value}.`)
}

function usage(message: string): ParleyError {
  return new ParleyError('USAGE', message)
}
