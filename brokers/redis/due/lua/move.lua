#!lua flags=allow-oom
-- Moves up to ARGV[1] messages that are due to where they belong, the one due first ahead of the others, by the command
-- ARGV[2] on the key of each, with what follows in ARGV before the message.
-- KEYS: delayed, delayed messages. Returns how many were moved, and how many ms from now the next one is due (-1: none).
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, -1} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, name in ipairs(names) do
  local value = redis.call('HGET', KEYS[2], name)
  local refused
  if value then
    local cut = string.find(value, '\n', 1, true)
    local args = {ARGV[2], string.sub(value, 1, cut - 1)}
    for i = 3, #ARGV do args[#args + 1] = ARGV[i] end
    args[#args + 1] = string.sub(value, cut + 1)
    local reply = redis.pcall(unpack(args))
    refused = type(reply) == 'table' and reply.err
  end
  if refused then -- the key is of another type: what is due after this message must not wait for it
    redis.call('ZADD', KEYS[1], now + 60000, name)
  else
    redis.call('HDEL', KEYS[2], name)
    redis.call('ZREM', KEYS[1], name)
  end
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #next == 0 then return {#names, -1} end
return {#names, math.max(0, math.ceil(next[2] - now))}
