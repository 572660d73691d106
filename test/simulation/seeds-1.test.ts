import { describe } from 'vitest'
import { seedSuite } from './seed-suite.ts'

// Two files, so that two workers share them.
describe('three daemons and their apps, under every fault', () => seedSuite('sim', 0, 100))
