#!lua flags=no-writes
-- Counts what is ready in the streams KEYS, and what is held.
local ready, held = 0, 0
for _, key in ipairs(KEYS) do
  local length = redis.call('XLEN', key)
  local pending = redis.pcall('XPENDING', key, 'taskbench')
  local unacked = 0
  if not pending.err and pending[1] > 0 then
    unacked = pending[1]
    for _, c in ipairs(pending[4]) do
      if c[1] == 'returned' then unacked = unacked - c[2] end
    end
  end
  ready = ready + math.max(0, length - unacked)
  held = held + unacked
end
return {ready, held}
