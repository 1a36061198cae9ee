#!lua flags=allow-oom
-- Forgets consumer ARGV[1] if it holds nothing. KEYS: consumers, held.
if redis.call('SCARD', KEYS[2]) > 0 then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
