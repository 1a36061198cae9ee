#!lua flags=allow-oom
-- Renews the lease of consumer ARGV[1] by ARGV[2] ms, and the age of all that it holds.
-- KEYS: consumers, unacked_index, held. Returns consumers whose lease has ended.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local seconds = string.format('%d.%06d', t[1], t[2])
for _, tag in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('ZADD', KEYS[2], 'XX', seconds, tag) end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 16)
