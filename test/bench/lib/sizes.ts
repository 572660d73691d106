/** Message sizes that are measured, and how much is sent in one go: enough that starting and stopping do not count. */
export const SIZES = [
  { bytes: 64, label: '64 B', pourBytes: 1024 * 1024 },
  { bytes: 1024, label: '1 KiB', pourBytes: 8 * 1024 * 1024 },
  { bytes: 64 * 1024, label: '64 KiB', pourBytes: 16 * 1024 * 1024 }
] as const
