#!lua flags=allow-oom
-- Takes up to ARGV[2] entries for consumer ARGV[1]: of each stream first what was given back, then what is new.
-- KEYS: streams to which something was given back; consumers; then the streams: for each priority step, for each of
-- ARGV[3] queues. Who has been taken for dead, and lives, has a lease of ARGV[4] ms again with what it takes.
-- Returns stream (its place), deliveries, id and fields of each in turn, and, where that is less than wanted, how far
-- each stream has been read: what is added from then on is new.
local me, want, queues = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local got, taken, back = {}, 0, {}
if redis.call('EXISTS', KEYS[1]) == 1 then back = redis.call('SMISMEMBER', KEYS[1], unpack(KEYS, 3)) end

local function add(place, deliveries, entry)
  got[#got + 1] = place; got[#got + 1] = deliveries; got[#got + 1] = entry[1]; got[#got + 1] = entry[2]
end

-- again takes up to n of what was given back; it stands in order, and comes before anything new.
local function again(place, n)
  local key = KEYS[place + 2]
  local pending = redis.pcall('XPENDING', key, 'taskbench', '-', '+', n, 'returned')
  if pending.err then pending = {} end
  if #pending < n then
    redis.call('SREM', KEYS[1], key)
    back[place] = 0
  end
  if #pending == 0 then return 0 end
  local ids, deliveries = {}, {}
  for i, p in ipairs(pending) do ids[i] = p[1]; deliveries[p[1]] = p[4] + 1 end
  local entries = redis.call('XCLAIM', key, 'taskbench', me, 0, unpack(ids))
  for _, e in ipairs(entries) do add(place, deliveries[e[1]], e) end
  return #entries
end

-- new takes up to n entries that nobody has had. Whoever destroyed the group, all that is in the stream is still to do.
local function new(place, n)
  local key = KEYS[place + 2]
  local reply = redis.pcall('XREADGROUP', 'GROUP', 'taskbench', me, 'COUNT', n, 'STREAMS', key, '>')
  if reply and reply.err and string.find(reply.err, 'NOGROUP') then
    if redis.call('EXISTS', key) == 0 then return 0 end
    redis.call('XGROUP', 'CREATE', key, 'taskbench', '0')
    reply = redis.call('XREADGROUP', 'GROUP', 'taskbench', me, 'COUNT', n, 'STREAMS', key, '>')
  end
  if not reply then return 0 end
  if reply.err then return 0, reply end
  for _, e in ipairs(reply[1][2]) do add(place, 1, e) end
  return #reply[1][2]
end

for first = 1, #KEYS - 2, queues do
  local live = {}
  for place = first, first + queues - 1 do live[#live + 1] = place end
  while taken < want and #live > 0 do -- the queues of one step take turns
    local share, rest = math.max(1, math.floor((want - taken) / #live)), {}
    for _, place in ipairs(live) do
      local n, found, refused = math.min(share, want - taken), 0
      if n > 0 and back[place] == 1 then found = again(place, n) end
      if found < n then
        local more
        more, refused = new(place, n - found)
        found = found + more
      end
      if refused and #got == 0 then return refused end -- else next time: what was taken is to arrive
      taken = taken + found
      if found == n then rest[#rest + 1] = place end
    end
    live = rest
  end
  if taken >= want then break end
end
if taken > 0 then
  local t = redis.call('TIME')
  redis.call('ZADD', KEYS[2], 'NX', t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[4], me)
end

local read = {}
if taken >= want then return {got, read} end
for place = 1, #KEYS - 2 do
  read[place] = '0-0'
  local groups = redis.pcall('XINFO', 'GROUPS', KEYS[place + 2])
  if not groups.err then
    for _, g in ipairs(groups) do
      local info = {}
      for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
      if info.name == 'taskbench' then read[place] = info['last-delivered-id'] end
    end
  end
end
return {got, read}
