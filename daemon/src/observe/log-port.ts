/** Where the daemon writes what its operator may want to read: pino's shape. Fields hold no secret and no message body. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
