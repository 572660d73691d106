/** Makes `lengthBytes` fresh random bytes, owned by the caller. */
export type RandomBytes = (lengthBytes: number) => Uint8Array
