#!lua flags=allow-oom
-- Takes up to ARGV[4] messages and books each to the consumer in the same step.
-- KEYS: unacked, unacked_index, consumers, held; then the lists: for each priority step, for each queue.
-- ARGV: consumer, lease in ms, first sequence number, how many, then for each queue the tail of its bookings.
-- Returns queue number and message in turn.
if redis.call('EXISTS', unpack(KEYS, 5)) == 0 then return {} end -- mostly, and so it has to be cheap
local queues, want, got = #ARGV - 4, tonumber(ARGV[4]), {}
redis.call('HLEN', KEYS[1]) -- a key of the wrong type must fail before anything is popped
redis.call('ZCARD', KEYS[2])
for first = 5, #KEYS, queues do
  if queues == 1 then
    local values = redis.pcall('RPOP', KEYS[first], want - #got / 2)
    if values and not values.err then
      for _, v in ipairs(values) do got[#got + 1] = 1; got[#got + 1] = v end
    end
  else
    local more = true
    while more and #got < 2 * want do
      more = false
      for q = 1, queues do
        if #got == 2 * want then break end
        local v = redis.pcall('RPOP', KEYS[first + q - 1])
        if type(v) == 'string' then got[#got + 1] = q; got[#got + 1] = v; more = true end
      end
    end
  end
  if #got == 2 * want then break end
end
if #got == 0 then return got end

local t = redis.call('TIME')
local now = string.format('%d.%06d', t[1], t[2])
local bookings, scores, tags = {}, {}, {}
for i = 2, #got, 2 do
  local tag = ARGV[1] .. ':' .. string.format('%d', ARGV[3] + i / 2 - 1)
  tags[#tags + 1] = tag
  scores[#scores + 1] = now; scores[#scores + 1] = tag
  bookings[#bookings + 1] = tag; bookings[#bookings + 1] = '[' .. got[i] .. ARGV[4 + got[i - 1]]
end
redis.call('ZADD', KEYS[2], unpack(scores))
redis.call('HSET', KEYS[1], unpack(bookings))
redis.call('SADD', KEYS[4], unpack(tags))
redis.call('ZADD', KEYS[3], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[1])
return got
