/** Version of the socket's methods and events. A daemon serves every minor version of its major version. */
export const API_MAJOR = 1
export const API_MINOR = 0

/** WebSocket subprotocols: the same JSON-RPC messages as CBOR (bytes as byte strings) or as JSON (bytes as base64 text). */
export const SUBPROTOCOL_CBOR = 'parley.v1.cbor'
export const SUBPROTOCOL_JSON = 'parley.v1.json'

/** The one path for calls, by POST and by WebSocket. */
export const RPC_PATH = '/rpc'

/** What every request on the socket names as its host. */
export const SOCKET_HOST = 'parley'
