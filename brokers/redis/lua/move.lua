#!lua flags=allow-oom
-- Ends the booking ARGV[1] and puts ARGV[3] on a list, by the command ARGV[2]; nothing where the booking has gone.
-- KEYS: unacked, unacked_index, held, list. Returns 1 where it was moved.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
redis.call(ARGV[2], KEYS[4], ARGV[3])
return 1
