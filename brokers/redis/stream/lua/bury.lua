#!lua flags=allow-oom
-- Gives back up to 100 entries that consumer ARGV[1] holds of stream KEYS[1], if its lease has ended, and takes it out
-- of the group when it holds none. KEYS: stream, streams to which something was given back, bell, consumers.
-- Returns how many entries went back, or -1 where the consumer is alive.
local t = redis.call('TIME')
local lease = redis.call('ZSCORE', KEYS[4], ARGV[1])
if lease and tonumber(lease) > t[1] * 1000 + t[2] / 1000 then return -1 end
local pending = redis.pcall('XPENDING', KEYS[1], 'taskbench', '-', '+', 100, ARGV[1])
if pending.err then return 0 end -- no group, or no stream: nothing is held
if #pending == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'taskbench', ARGV[1])
  return 0
end
local ids = {}
for i, p in ipairs(pending) do ids[i] = p[1] end
ids[#ids + 1] = 'JUSTID'
redis.call('XCLAIM', KEYS[1], 'taskbench', 'returned', 0, unpack(ids))
redis.call('SADD', KEYS[2], KEYS[1])
redis.call('XADD', KEYS[3], 'MAXLEN', 1, '*', 'returned', KEYS[1])
return #pending
