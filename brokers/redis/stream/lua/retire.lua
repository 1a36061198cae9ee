#!lua flags=allow-oom
-- Forgets consumer ARGV[1], and takes it out of the groups, where it holds nothing.
-- KEYS: consumers, their queues, then the streams that it took from.
local held = 0
for i = 3, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[i], 'taskbench', '-', '+', 1, ARGV[1])
  if not pending.err then
    if #pending == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[i], 'taskbench', ARGV[1]) end
    held = held + #pending
  end
end
if held > 0 then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
