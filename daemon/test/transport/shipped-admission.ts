import { makeConfig } from '@parley/config'
import type { AdmissionOptions } from '../../src/transport/admission.ts'

const { limits } = makeConfig()

/** The budgets of strangers as a daemon has them by default. */
export const SHIPPED_ADMISSION: AdmissionOptions = { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
