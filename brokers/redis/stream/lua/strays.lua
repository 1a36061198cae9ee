#!lua flags=allow-oom
-- Gives back what consumers without a lease, which are none of ours, have held of stream KEYS[1] for ARGV[1] ms or more.
-- KEYS: stream, streams to which something was given back, bell, consumers. Returns how many entries went back.
local ids, from = {}, '-'
repeat
  local pending = redis.pcall('XPENDING', KEYS[1], 'taskbench', 'IDLE', ARGV[1], from, '+', 100)
  if pending.err then return 0 end
  for _, p in ipairs(pending) do
    if p[2] ~= 'returned' and not redis.call('ZSCORE', KEYS[4], p[2]) then ids[#ids + 1] = p[1] end
    from = '(' .. p[1]
  end
until #pending < 100 or #ids >= 1000
if #ids == 0 then return 0 end
ids[#ids + 1] = 'JUSTID'
redis.call('XCLAIM', KEYS[1], 'taskbench', 'returned', 0, unpack(ids))
redis.call('SADD', KEYS[2], KEYS[1])
redis.call('XADD', KEYS[3], 'MAXLEN', 1, '*', 'returned', KEYS[1])
return #ids - 1
