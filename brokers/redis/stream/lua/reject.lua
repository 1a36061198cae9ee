#!lua flags=allow-oom
-- Moves the entry ARGV[2] of stream KEYS[1], if consumer ARGV[1] holds it, to the dead letters, whole: whatever its fields
-- are. KEYS: stream, stream of the dead letters. Returns 1 where it was held.
local pending = redis.pcall('XPENDING', KEYS[1], 'taskbench', ARGV[2], ARGV[2], 1, ARGV[1])
if pending.err and not string.find(pending.err, 'NOGROUP') then return pending end
if #pending == 0 then return 0 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if entry then redis.call('XADD', KEYS[2], '*', unpack(entry[2])) end
redis.call('XACK', KEYS[1], 'taskbench', ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
