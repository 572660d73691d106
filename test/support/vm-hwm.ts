import { readFileSync } from 'node:fs'

/**
 * The most memory that a living process had resident at any time, in bytes: `VmHWM` of `/proc/PID/status`.
 *
 * @returns undefined where there is no such file: the process is gone, or this is not Linux
 */
export function vmHwmBytes(pid: number): number | undefined {
  return statusBytes(pid, 'VmHWM')
}

/** The memory that a living process has resident now, in bytes; undefined as for {@link vmHwmBytes}. */
export function vmRssBytes(pid: number): number | undefined {
  return statusBytes(pid, 'VmRSS')
}

function statusBytes(pid: number, field: string): number | undefined {
  let status: string
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}
