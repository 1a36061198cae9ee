-- Stores a result and tells who waits for it, unless a success is stored already.
-- KEYS: the record. ARGV: the document, its time to live in milliseconds (0: for ever).
local old = redis.call('GETRANGE', KEYS[1], 0, 63)
if old ~= '' then
  local status = string.match(old, '^%s*{%s*"status"%s*:%s*"(%u+)"') -- Celery writes it first
  if not status then
    local ok, document = pcall(cjson.decode, redis.call('GET', KEYS[1]))
    status = ok and type(document) == 'table' and document.status
  end
  if status == 'SUCCESS' then return 0 end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
