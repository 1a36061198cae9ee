-- Gives the lock up, if it is ours. KEYS: lock. ARGV: word.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
