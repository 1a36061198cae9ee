#!lua flags=allow-oom
-- Removes from stream KEYS[1] up to 100 entries that nobody holds, or all where nobody holds any. Returns how many.
local group = redis.pcall('XPENDING', KEYS[1], 'taskbench')
if group.err then
  if not string.find(group.err, 'NOGROUP') then return group end
  if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  redis.call('XGROUP', 'CREATE', KEYS[1], 'taskbench', '0')
  group = {0}
end
local returned = redis.call('XPENDING', KEYS[1], 'taskbench', '-', '+', 100, 'returned')
local ids = {}
for i, p in ipairs(returned) do ids[i] = p[1] end
if #ids > 0 then redis.call('XACK', KEYS[1], 'taskbench', unpack(ids)) end
if group[1] == #ids then return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0) end
if #ids == 0 then
  local new = redis.call('XREADGROUP', 'GROUP', 'taskbench', 'returned', 'COUNT', 100, 'NOACK', 'STREAMS', KEYS[1], '>')
  if not new then return 0 end
  for i, e in ipairs(new[1][2]) do ids[i] = e[1] end
end
return redis.call('XDEL', KEYS[1], unpack(ids))
