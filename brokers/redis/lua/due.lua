#!lua flags=allow-oom
-- Moves up to ARGV[1] messages that are due to their lists, the one due first ahead of the others.
-- KEYS: delayed, delayed messages. Returns how many were moved, and how many ms from now the next one is due (-1: none).
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, name in ipairs(names) do
  local value = redis.call('HGET', KEYS[2], name)
  if value then
    local cut = string.find(value, '\n', 1, true)
    redis.call('LPUSH', string.sub(value, 1, cut - 1), string.sub(value, cut + 1))
    redis.call('HDEL', KEYS[2], name)
  end
  redis.call('ZREM', KEYS[1], name)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #next == 0 then return {#names, -1} end
return {#names, math.max(0, math.ceil(next[2] - now))}
