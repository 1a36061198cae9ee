-- Takes the lock or prolongs it. KEYS: lock, tenure. ARGV: word, lease in milliseconds.
-- Returns the number of the tenure, or 0 and the word of whoever holds it.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
  return {0, held}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if held then
  return {tonumber(redis.call('GET', KEYS[2])) or redis.call('INCR', KEYS[2]), ''}
end
return {redis.call('INCR', KEYS[2]), ''}
