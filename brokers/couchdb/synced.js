// Loaded into PouchDB Server before its own code: every write of its leveldb returns when it is on the disk.
'use strict'
const Module = require('module')
const load = Module._load
const synced = options => Object.assign({}, options, { sync: true })
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest)
  if (request === 'leveldown' && !loaded.synced) {
    loaded.synced = true
    for (const name of ['_put', '_del', '_batch']) {
      const write = loaded.prototype[name]
      loaded.prototype[name] = function (...args) {
        args[args.length - 2] = synced(args[args.length - 2]) // before the callback
        return write.apply(this, args)
      }
    }
    const chain = loaded.prototype._chainedBatch
    loaded.prototype._chainedBatch = function () {
      const batch = chain.call(this)
      const write = batch._write
      batch._write = (options, callback) => write.call(batch, synced(options), callback)
      return batch
    }
  }
  return loaded
}
