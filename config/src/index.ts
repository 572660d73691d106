export { ConfigError, type ConfigErrorCode, type ConfigProblem } from './errors.ts'
export { TEST_PROFILE_LIMITS } from './limits.ts'
export { makeConfig } from './make.ts'
export { type Config, type ConfigInput, configSchema, isTcpMultiaddr } from './schema.ts'
