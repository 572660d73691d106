// The names, arguments and errors of jsthemis 0.15 over the classes of the drop-in for wasm-themis. What differs: functions that
// may be called without `new`, Buffers where the other has Uint8Arrays, and the names in the table below.
//
// | jsthemis                                        | here, over                                     |
// | ----------------------------------------------- | ---------------------------------------------- |
// | KeyPair: private(), public()                    | KeyPair: privateKey, publicKey                 |
// | SecureMessage: encrypt, decrypt, sign, verify   | SecureMessage, SecureMessageSign, …Verify      |
// | SecureSession: connectRequest, isEstablished    | connectionRequest, established                 |
// | SecureSession: unwrap                           | negotiateReply until established, then unwrap  |
// | SecureComparator: beginCompare, proceedCompare  | begin, proceed                                 |
// | SecureComparator: isMatch, isCompareComplete    | compareEqual, complete                         |
// | error.code                                      | ThemisError: errorCode                         |
// | SUCCESS, FAIL, …                                | ThemisErrorCode                                |
import * as classes from './jsthemis/classes.ts'
import { ThemisError, ThemisErrorCode } from './themis.ts'

export type { KeyCallback } from './jsthemis/classes.ts'

type AnyClass = abstract new (...args: never[]) => object

/** A class that may be called without `new`, too. */
export type Callable<C extends AnyClass> = C & ((...args: ConstructorParameters<C>) => InstanceType<C>)

function callable<C extends AnyClass>(Class: C): Callable<C> {
  const apply = (_target: C, _this: unknown, args: unknown[]): object => Reflect.construct(Class, args)
  return new Proxy(Class, { apply }) as Callable<C>
}

export const KeyPair: Callable<typeof classes.KeyPair> = callable(classes.KeyPair)
export type KeyPair = classes.KeyPair
/** Makes Buffers, as in jsthemis: its keys are not instances of it. */
export const SymmetricKey: Callable<new (key?: Uint8Array) => Buffer> = callable(
  classes.SymmetricKey as new (
    key?: Uint8Array
  ) => Buffer
)
export type SymmetricKey = Buffer
export const SecureMessage: Callable<typeof classes.SecureMessage> = callable(classes.SecureMessage)
export type SecureMessage = classes.SecureMessage
export const SecureCellSeal: Callable<typeof classes.SecureCellSeal> = callable(classes.SecureCellSeal)
export type SecureCellSeal = classes.SecureCellSeal
export const SecureCellTokenProtect: Callable<typeof classes.SecureCellTokenProtect> = callable(
  classes.SecureCellTokenProtect
)
export type SecureCellTokenProtect = classes.SecureCellTokenProtect
export const SecureCellContextImprint: Callable<typeof classes.SecureCellContextImprint> = callable(
  classes.SecureCellContextImprint
)
export type SecureCellContextImprint = classes.SecureCellContextImprint
export const SecureSession: Callable<typeof classes.SecureSession> = callable(classes.SecureSession)
export type SecureSession = classes.SecureSession
export const SecureComparator: Callable<typeof classes.SecureComparator> = callable(classes.SecureComparator)
export type SecureComparator = classes.SecureComparator

export const SUCCESS: typeof ThemisErrorCode.SUCCESS = ThemisErrorCode.SUCCESS
export const FAIL: typeof ThemisErrorCode.FAIL = ThemisErrorCode.FAIL
export const INVALID_PARAMETER: typeof ThemisErrorCode.INVALID_PARAMETER = ThemisErrorCode.INVALID_PARAMETER
export const NO_MEMORY: typeof ThemisErrorCode.NO_MEMORY = ThemisErrorCode.NO_MEMORY
export const BUFFER_TOO_SMALL: typeof ThemisErrorCode.BUFFER_TOO_SMALL = ThemisErrorCode.BUFFER_TOO_SMALL
export const DATA_CORRUPT: typeof ThemisErrorCode.DATA_CORRUPT = ThemisErrorCode.DATA_CORRUPT
export const INVALID_SIGNATURE: typeof ThemisErrorCode.INVALID_SIGNATURE = ThemisErrorCode.INVALID_SIGNATURE
export const NOT_SUPPORTED: typeof ThemisErrorCode.NOT_SUPPORTED = ThemisErrorCode.NOT_SUPPORTED
export const SSESSION_KA_NOT_FINISHED: typeof ThemisErrorCode.SSESSION_KA_NOT_FINISHED =
  ThemisErrorCode.SSESSION_KA_NOT_FINISHED
export const SSESSION_TRANSPORT_ERROR: typeof ThemisErrorCode.SSESSION_TRANSPORT_ERROR =
  ThemisErrorCode.SSESSION_TRANSPORT_ERROR
export const SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR: typeof ThemisErrorCode.SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR =
  ThemisErrorCode.SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR
export const SCOMPARE_NOT_READY: typeof ThemisErrorCode.SCOMPARE_NOT_READY = ThemisErrorCode.SCOMPARE_NOT_READY

export { ThemisError }

const everything: {
  readonly KeyPair: typeof KeyPair
  readonly SymmetricKey: typeof SymmetricKey
  readonly SecureMessage: typeof SecureMessage
  readonly SecureCellSeal: typeof SecureCellSeal
  readonly SecureCellTokenProtect: typeof SecureCellTokenProtect
  readonly SecureCellContextImprint: typeof SecureCellContextImprint
  readonly SecureSession: typeof SecureSession
  readonly SecureComparator: typeof SecureComparator
  readonly ThemisError: typeof ThemisError
  readonly SUCCESS: typeof SUCCESS
  readonly FAIL: typeof FAIL
  readonly INVALID_PARAMETER: typeof INVALID_PARAMETER
  readonly NO_MEMORY: typeof NO_MEMORY
  readonly BUFFER_TOO_SMALL: typeof BUFFER_TOO_SMALL
  readonly DATA_CORRUPT: typeof DATA_CORRUPT
  readonly INVALID_SIGNATURE: typeof INVALID_SIGNATURE
  readonly NOT_SUPPORTED: typeof NOT_SUPPORTED
  readonly SSESSION_KA_NOT_FINISHED: typeof SSESSION_KA_NOT_FINISHED
  readonly SSESSION_TRANSPORT_ERROR: typeof SSESSION_TRANSPORT_ERROR
  readonly SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR: typeof SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR
  readonly SCOMPARE_NOT_READY: typeof SCOMPARE_NOT_READY
} = {
  KeyPair,
  SymmetricKey,
  SecureMessage,
  SecureCellSeal,
  SecureCellTokenProtect,
  SecureCellContextImprint,
  SecureSession,
  SecureComparator,
  ThemisError,
  SUCCESS,
  FAIL,
  INVALID_PARAMETER,
  NO_MEMORY,
  BUFFER_TOO_SMALL,
  DATA_CORRUPT,
  INVALID_SIGNATURE,
  NOT_SUPPORTED,
  SSESSION_KA_NOT_FINISHED,
  SSESSION_TRANSPORT_ERROR,
  SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR,
  SCOMPARE_NOT_READY
}

// biome-ignore lint/style/noDefaultExport: programs that import all of jsthemis as one object
export default everything
