// The other side of a bare Unix socket: node unix-server.ts PATH. A connection whose first byte is E gets everything back;
// one that starts with S gets a byte for each 64 KiB.
import { createServer } from 'node:net'

const STEP_BYTES = 64 * 1024

const server = createServer(socket => {
  let mode: number | undefined
  let receivedBytes = 0
  let toldSteps = 0
  socket.on('data', chunk => {
    let data = chunk
    if (mode === undefined) {
      mode = chunk[0]
      data = chunk.subarray(1)
    }
    if (mode === 'E'.charCodeAt(0)) {
      if (data.length > 0) socket.write(data)
      return
    }
    receivedBytes += data.length
    const steps = Math.floor(receivedBytes / STEP_BYTES)
    if (steps > toldSteps) socket.write(new Uint8Array(steps - toldSteps))
    toldSteps = steps
  })
})
server.listen(process.argv[2], () => process.stdout.write('listening\n'))
