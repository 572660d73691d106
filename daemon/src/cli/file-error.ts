/** A file of this host cannot be read or written. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code = 'FILE_FAILED'
  readonly action: string | undefined

  constructor(message: string, options: ErrorOptions & { readonly action?: string } = {}) {
    super(message, options)
    this.action = options.action
  }
}

/** Runs work on a file; what the system says of it becomes a `FileError`. */
export async function onFile<T>(path: string, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isSystemError(error)) throw error
    const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT'
    throw new FileError(`${path} cannot be ${doing}: ${isFull ? 'the disk is full' : error.code}`, {
      cause: error,
      ...(isFull && { action: 'Make room, and run the same command again: it goes on where it was.' })
    })
  }
}

/** Whether a system call failed with this code. */
export function isSystemCode(error: unknown, code: string): boolean {
  return isSystemError(error) && error.code === code
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && typeof (error as NodeJS.ErrnoException).code === 'string'
}
