// Loaded into a daemon before its own code (`node --import`): when the process that started it is gone, however it went, it stops.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
