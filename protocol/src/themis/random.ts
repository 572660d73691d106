import { randomBytes as nodeRandomBytes } from 'node:crypto'
import { poolRandomBytes, type RandomBytes } from '../bytes.ts'

/** The randomness of the drop-ins, whose users bring none: that of Node. */
export const randomBytes: RandomBytes = poolRandomBytes(length => new Uint8Array(nodeRandomBytes(length)))
