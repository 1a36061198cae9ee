#!lua
-- Keeps the envelope ARGV[3], which belongs to key ARGV[2], under the name ARGV[1] until ARGV[4], in ms since 1970.
-- KEYS: delayed (names by time), delayed messages (by name). The same name again replaces the first.
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
return redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. '\n' .. ARGV[3])
