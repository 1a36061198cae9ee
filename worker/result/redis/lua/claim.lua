-- Gives a task to a holder, or has its claim last longer. Returns 0, or in how many milliseconds another's claim lapses.
-- KEYS: the claim. ARGV: the holder, the claim's time to live in milliseconds.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return math.max(redis.call('PTTL', KEYS[1]), 1) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0
