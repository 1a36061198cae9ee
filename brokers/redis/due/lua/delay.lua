#!lua
-- Keeps the envelope ARGV[3], which belongs to key ARGV[2], under the name ARGV[1] until ARGV[4], in ms since 1970, by a
-- clock that shows ARGV[5]. What is due is told by the server's, so that the difference counts where the two are a second apart.
-- KEYS: delayed (names by time), delayed messages (by name). The same name again replaces the first.
local t = redis.call('TIME')
local ahead = t[1] * 1000 + math.floor(t[2] / 1000) - ARGV[5]
local due = tonumber(ARGV[4])
if math.abs(ahead) > 1000 then due = due + ahead end
redis.call('ZADD', KEYS[1], string.format('%.0f', due), ARGV[1])
return redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. '\n' .. ARGV[3])
