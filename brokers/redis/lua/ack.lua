#!lua flags=allow-oom
-- Ends the bookings ARGV. KEYS: unacked, unacked_index, held. Returns the places in ARGV of those that had gone.
local gone = {}
for i, tag in ipairs(ARGV) do
  if redis.call('HDEL', KEYS[1], tag) == 0 then gone[#gone + 1] = i end
end
redis.call('ZREM', KEYS[2], unpack(ARGV))
redis.call('SREM', KEYS[3], unpack(ARGV))
return gone
