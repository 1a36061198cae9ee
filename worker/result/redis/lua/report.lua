-- Counts a part of a chord. Returns the parts and their places once all are there, to the one that completed them.
-- KEYS: the parts, the size's delta, the size, who was last.
-- ARGV: the part's place ("+inf" when not known), the part, its task, milliseconds to live (0: for ever).
local function task(member) return string.match(member, '^%s*%[%s*1%s*,%s*"([^"]*)"') end

local again = false
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])) do
  if task(member) == ARGV[3] then
    again = true
    local state = string.match(member, '^%s*%[%s*1%s*,%s*"[^"]*"%s*,%s*"(%u+)"')
    if state == 'SUCCESS' or member == ARGV[2] then -- the first success stays, as it does in the task's record
      ARGV[2] = member
    else
      redis.call('ZREM', KEYS[1], member)
    end
  end
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
local size, delta = redis.call('GET', KEYS[3]), redis.call('GET', KEYS[2])
local whole = false
if size then
  local parts = tonumber(size) + tonumber(delta or 0)
  if redis.call('ZCARD', KEYS[1]) >= parts then
    local tasks, n = {}, 0
    for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
      local id = task(member) or member
      if not tasks[id] then tasks[id] = true; n = n + 1 end
    end
    whole = n >= parts
  end
end
if whole and not again then redis.call('SETNX', KEYS[4], ARGV[3]) end
if ARGV[4] ~= '0' then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[4]) end
end
if whole and redis.call('GET', KEYS[4]) == ARGV[3] then
  return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
end
return false
