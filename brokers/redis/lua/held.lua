#!lua flags=no-writes
-- Counts the bookings that end in ARGV[1], the tail of one queue. KEYS: unacked.
local n, tail = 0, ARGV[1]
for _, v in ipairs(redis.call('HVALS', KEYS[1])) do
  if string.sub(v, -#tail) == tail then n = n + 1 end
end
return n
