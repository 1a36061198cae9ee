#!lua flags=allow-oom
-- Gives back the entries ARGV[3], ... of stream KEYS[1] that consumer ARGV[1] holds. They keep how often they were
-- delivered, less ARGV[2]: 1 where nobody has seen them. KEYS: stream, streams to which something was given back, bell.
-- Returns the places in ARGV, less two, of those that it does not hold.
local gone = {}
for i = 3, #ARGV do
  local pending = redis.pcall('XPENDING', KEYS[1], 'taskbench', ARGV[i], ARGV[i], 1, ARGV[1])
  if pending.err and not string.find(pending.err, 'NOGROUP') then return pending end
  if #pending == 1 then
    redis.call('XCLAIM', KEYS[1], 'taskbench', 'returned', 0, ARGV[i], 'RETRYCOUNT', pending[1][4] - ARGV[2], 'JUSTID')
  else
    gone[#gone + 1] = i - 2
  end
end
if #gone < #ARGV - 2 then
  redis.call('SADD', KEYS[2], KEYS[1])
  redis.call('XADD', KEYS[3], 'MAXLEN', 1, '*', 'returned', KEYS[1])
end
return gone
