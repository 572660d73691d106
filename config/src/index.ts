export { ConfigError, type ConfigErrorCode, type ConfigProblem } from './errors.ts'
export { TEST_PROFILE_LIMITS } from './limits.ts'
export { describeOrigin, type LoadedConfig, type LoadOptions, loadConfig, type Origin } from './load.ts'
export { makeConfig } from './make.ts'
export { nearest } from './nearest.ts'
export {
  assertSocketPath,
  type Paths,
  type PathsInput,
  resolvePaths,
  SYSTEM_CONFIG_FILE,
  socketPathBytesMax
} from './paths.ts'
export { type Config, type ConfigInput, configSchema, isTcpMultiaddr } from './schema.ts'
export { SETTINGS, type Setting } from './settings.ts'
