#!lua flags=allow-oom
-- Renews the lease of consumer ARGV[1], which takes from queues ARGV[3], by ARGV[2] ms.
-- KEYS: consumers, their queues. Returns consumers whose lease has ended.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) == 1 then redis.call('HSET', KEYS[2], ARGV[1], ARGV[3]) end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 16)
