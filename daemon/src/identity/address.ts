import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** A TCP address, taken apart. */
export interface TcpAddress {
  readonly kind: 'ip4' | 'ip6' | 'dns' | 'dns4' | 'dns6'
  /** An IP address in its shortest form, or a DNS name in lower case. */
  readonly host: string
  /** 0 to 65535. */
  readonly port: number
}

/** The longest text of an address: a `dns4` name of 253 characters and a port of five digits. */
export const ADDRESS_LENGTH_MAX = 270

const DNS_NAME_LENGTH_MAX = 253
const DNS_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
const PORT = /^(?:0|[1-9][0-9]{0,4})$/

/**
 * Reads a TCP multiaddr: `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT` and nothing after it. Undefined for anything else.
 *
 * Case of names and the spelling of IPv6 addresses are free here; {@link formatTcpAddress} gives the one canonical text.
 */
export function parseTcpAddress(text: string): TcpAddress | undefined {
  if (text.length > ADDRESS_LENGTH_MAX) return undefined
  const [empty, kind, rawHost = '', tcp, rawPort = '', ...rest] = text.split('/')
  if (empty !== '' || tcp !== 'tcp' || rest.length > 0 || !PORT.test(rawPort)) return undefined
  const port = Number(rawPort)
  const host = canonicalHost(kind, rawHost)
  if (host === undefined || port > 65_535) return undefined
  return { kind: kind as TcpAddress['kind'], host, port }
}

/** The canonical text of an address: a multiaddr. */
export function formatTcpAddress(address: TcpAddress): string {
  return `/${address.kind}/${address.host}/tcp/${address.port}`
}

/** Whether the address stands for every interface of its host. */
export function isWildcard(address: TcpAddress): boolean {
  return (address.kind === 'ip4' && address.host === '0.0.0.0') || (address.kind === 'ip6' && address.host === '::')
}

/** Whether the address means the host itself. */
export function isLoopback(address: TcpAddress): boolean {
  return (
    (address.kind === 'ip4' && address.host.startsWith('127.')) || (address.kind === 'ip6' && address.host === '::1')
  )
}

/** The canonical text of an address that can be dialled: no wildcard, no port 0. Undefined for anything else. */
export function dialableAddress(text: string): string | undefined {
  const address = parseTcpAddress(text)
  return address === undefined || isWildcard(address) || address.port === 0 ? undefined : formatTcpAddress(address)
}

function canonicalHost(kind: string | undefined, host: string): string | undefined {
  switch (kind) {
    case 'ip4':
      return isIPv4(host) ? host : undefined
    case 'ip6':
      // A zone (`%eth0`) means something on one host alone.
      return isIPv6(host) && !host.includes('%')
        ? new SocketAddress({ address: host, family: 'ipv6' }).address
        : undefined
    case 'dns':
    case 'dns4':
    case 'dns6': {
      const name = host.toLowerCase()
      return name.length <= DNS_NAME_LENGTH_MAX && name.split('.').every(label => DNS_LABEL.test(label))
        ? name
        : undefined
    }
    default:
      return undefined
  }
}
