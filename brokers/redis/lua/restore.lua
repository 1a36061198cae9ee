#!lua flags=allow-oom
-- Puts the message ARGV[3] of booking ARGV[1] back to the front of its list, if the reason still holds.
-- KEYS: unacked, unacked_index, held, list, consumers.
-- ARGV[2] is the consumer whose lease must have ended, or '' where ARGV[4] is the age in seconds that must be reached.
local t = redis.call('TIME')
if ARGV[2] ~= '' then
  local lease = redis.call('ZSCORE', KEYS[5], ARGV[2])
  if lease and tonumber(lease) > t[1] * 1000 + t[2] / 1000 then return 0 end
else
  local since = redis.call('ZSCORE', KEYS[2], ARGV[1])
  if not since or tonumber(since) > t[1] + t[2] / 1000000 - ARGV[4] then return 0 end
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[4], ARGV[3])
return 1
