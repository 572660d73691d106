import { seededRandomBytes } from '../../src/random.ts'
import { sealerOf } from '../../src/store/sealed.ts'
import type { Sealer } from '../../src/store/sealer.ts'
import { createStoreKeys } from '../../src/store/store-keys.ts'

/** A sealer for stores of one test: each one made opens what another has sealed. */
export function testSealer(): Sealer {
  const randomBytes = seededRandomBytes('test sealer')
  return sealerOf(createStoreKeys(randomBytes), randomBytes)
}
