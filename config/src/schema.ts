import { z } from 'zod'
import { limitsSchema } from './limits.ts'

/** Most addresses a card may list, so most that are worth listening on or announcing. */
const ADDRESS_COUNT_MAX = 8
const ID_BYTES_MAX = 64

/**
 * Whether `text` is `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT`, the only addresses Parley has for now.
 *
 * Names must be host names; a port is 0 to 65535.
 */
export function isTcpMultiaddr(text: string): boolean {
  const parts = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]{1,253})\/tcp\/(0|[1-9]\d{0,4})$/.exec(text)
  if (parts === null || Number(parts[3]) > 65_535) return false
  const host = parts[2] as string
  if (parts[1] === 'ip4') return z.ipv4().safeParse(host).success
  if (parts[1] === 'ip6') return z.ipv6().safeParse(host).success
  return /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?$/.test(host)
}

const address = z
  .string('must be text')
  .refine(
    isTcpMultiaddr,
    'must be a TCP multiaddr such as /ip4/0.0.0.0/tcp/7390, /ip6/::/tcp/7390 or /dns4/example.org/tcp/7390'
  )

const isReachable = (text: string): boolean => !/\/tcp\/0$|^\/ip4\/0\.0\.0\.0\/|^\/ip6\/[0:]+\//.test(text)

const addresses = (list: z.ZodArray<typeof address>) =>
  list.max(ADDRESS_COUNT_MAX, `must have at most ${ADDRESS_COUNT_MAX} addresses`)

const id = z
  .string('must be text')
  .refine(
    text =>
      /^[\p{L}\p{M}\p{N}\p{P}\p{S}]([\p{L}\p{M}\p{N}\p{P}\p{S} ]*[\p{L}\p{M}\p{N}\p{P}\p{S}])?$/u.test(text) &&
      text.normalize('NFC') === text &&
      new TextEncoder().encode(text).length <= ID_BYTES_MAX,
    `must be 1 to ${ID_BYTES_MAX} bytes of printable text, normalized (NFC)`
  )

const absolutePath = z.string('must be text').regex(/^\/\P{Cc}+$/u, 'must be an absolute path')

const choice = <const T extends readonly [string, ...string[]]>(values: T, start: T[number], reason: string) =>
  z
    .enum(values, `must be one of ${values.map(value => `"${value}"`).join(', ')}`)
    .default(start as never)
    .meta({ description: reason })

/**
 * All settings, with their defaults, bounds, units and reasons. Unknown keys are refused.
 *
 * No setting is taken by a running daemon yet: every change needs a restart.
 */
export const configSchema = z.strictObject({
  version: z
    .literal(1, 'must be 1, the only version of this format')
    .default(1)
    .meta({ description: 'Version of this format.' }),
  node: z
    .strictObject({
      id: id.optional().meta({
        description:
          'ID for a new identity; an existing one keeps its own. Default: <user>@<host>-<5 characters of the key>.'
      }),
      profile: choice(
        ['default', 'test'],
        'default',
        'Profile "test" raises the limits per address and the handshakes per contact, for many daemons on one host. Nothing else.'
      )
    })
    .prefault({}),
  identity: z
    .strictObject({
      passphraseFile: absolutePath.optional().meta({
        description:
          "File with the passphrase of the keyring, mode 0600. Default: systemd's credential parley-passphrase, where there is one."
      })
    })
    .prefault({}),
  network: z
    .strictObject({
      listen: addresses(z.array(address).min(1, 'must have an address')).default(['/ip4/0.0.0.0/tcp/7390']).meta({
        description:
          'TCP multiaddrs to listen on. Port 0 asks for a free port, which this home then keeps; so does the default where 7390 is taken.'
      }),
      announce: addresses(
        z.array(address.refine(isReachable, 'must be an address that others can dial: no port 0, no wildcard'))
      )
        .default([])
        .meta({
          description: 'Addresses on the card; empty: the listen addresses, with wildcards expanded to this host.'
        })
    })
    .prefault({}),
  trust: z
    .strictObject({
      require: choice(
        ['known', 'verified'],
        'known',
        'Trust that a contact needs before messages pass: its card was added by hand, or its owner was verified.'
      ),
      succession: choice(
        ['follow', 'ask'],
        'follow',
        'Whether a new key that a contact has signed with its old one is taken at once, or stops the contact until you accept it.'
      )
    })
    .prefault({}),
  socket: z
    .strictObject({
      path: absolutePath.optional().meta({
        description:
          'The local socket. Default: <home>/parley.sock, or below XDG_RUNTIME_DIR, or in the state directory.'
      }),
      mode: z
        .string('must be text, such as "0600"')
        .regex(/^0?[0-7][0-7]0$/, 'must be an octal mode without any right for others, such as "0600" or "0660"')
        .default('0600')
        .meta({ description: 'Mode of the socket: who can open it can speak as this node.' }),
      group: z
        .string('must be text')
        .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'must be the name of a group')
        .optional()
        .meta({ description: 'Group of the socket, with mode "0660".' })
    })
    .prefault({}),
  log: z
    .strictObject({
      level: choice(['debug', 'info', 'warn', 'error'], 'info', 'The least that is logged, to standard error.'),
      format: choice(['json', 'text'], 'text', 'One JSON object a line for machines, or text for people.')
    })
    .prefault({}),
  limits: limitsSchema.prefault({})
})

type DeepReadonly<T> = T extends object ? { readonly [key in keyof T]: DeepReadonly<T[key]> } : T

/** The settings of a daemon: whole, checked and frozen. */
export type Config = DeepReadonly<z.output<typeof configSchema>>

/** What a file may hold: every setting is optional. */
export type ConfigInput = DeepReadonly<z.input<typeof configSchema>>
