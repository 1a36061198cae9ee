#!lua flags=allow-oom
-- Removes from stream KEYS[1] the entries ARGV[2], ... that consumer ARGV[1] holds. Returns the places in ARGV, less one,
-- of those that it does not hold.
local gone, held = {}, {}
for i = 2, #ARGV do
  local pending = redis.pcall('XPENDING', KEYS[1], 'taskbench', ARGV[i], ARGV[i], 1, ARGV[1])
  if pending.err and not string.find(pending.err, 'NOGROUP') then return pending end
  if #pending == 1 then held[#held + 1] = ARGV[i] else gone[#gone + 1] = i - 1 end
end
if #held > 0 then
  redis.call('XACK', KEYS[1], 'taskbench', unpack(held))
  redis.call('XDEL', KEYS[1], unpack(held))
end
return gone
