// A program written for jsthemis, as a CommonJS module. It is run from the packed package with its import changed.
const themis = require('jsthemis')

const printed = []
const { token, data } = themis.SecureCellTokenProtect.withKey(new themis.SymmetricKey()).encrypt(Buffer.from('x'))
printed.push(Buffer.isBuffer(token), data.length)

const [alice, bob] = [
  new themis.KeyPair(),
  themis.KeyPair(new themis.KeyPair().private(), new themis.KeyPair().public())
]
const signed = new themis.SecureMessage(alice.private(), null).sign(Buffer.from('signed'))
printed.push(new themis.SecureMessage(null, alice.public()).verify(signed).toString(), bob.public().length)

const pair = new themis.KeyPair()
const client = new themis.SecureSession(Buffer.from('client'), alice.private(), id =>
  id.equals(Buffer.from('server')) ? pair.public() : null
)
const server = new themis.SecureSession(Buffer.from('server'), pair.private(), () => alice.public())
let message = client.connectRequest()
for (let peer = server; message !== undefined; peer = peer === server ? client : server) message = peer.unwrap(message)
printed.push(server.unwrap(client.wrap(Buffer.from('wrapped'))).toString())

try {
  new themis.SecureSession(Buffer.from(''), alice.private(), () => null)
} catch (error) {
  printed.push(error.code === themis.INVALID_PARAMETER)
}
import('jsthemis')
  .then(({ default: imported }) => {
    printed.push(imported.KeyPair === themis.KeyPair)
    console.log(printed.join(', '))
  })
  .catch(error => {
    console.error(error)
    process.exitCode = 1
  })
