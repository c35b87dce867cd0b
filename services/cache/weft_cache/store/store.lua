-- The tenants' accounts: which answers each has, their size, and which was least recently used.
-- ARGV[1]: JSON in which every part is optional: {forget = {tails}, touch = {tails}, changed = {names}, version, most,
-- longest, keep = {tail, size, life, version, documents = {names}, latest = name}}. A tail is the part after the prefix
-- in an answer's key; it begins with the tenant. Names contain the tenant, too. Times are in milliseconds, sizes in
-- bytes. ARGV[2..]: fields and values of the answer to keep; its field `marks` has the names it can be forgotten by.
-- Returns the number of answers forgotten, and 1 if one was kept.
-- Time is the server's, so that replicas with different clocks agree.
local PREFIX, DUE, EVICTED = 'weft:cache:', 200, 100
local order = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function tenant_of(tail) return string.match(tail, '^[^:]+') end

local function take(tail)
  local tenant = tenant_of(tail)
  local size = redis.call('HGET', PREFIX .. 'sizes:' .. tenant, tail)
  if size then
    redis.call('HDEL', PREFIX .. 'sizes:' .. tenant, tail)
    redis.call('ZREM', PREFIX .. 'used:' .. tenant, tail)
    redis.call('ZREM', PREFIX .. 'ends', tail)
    redis.call('DECRBY', PREFIX .. 'bytes', size)
    if tonumber(redis.call('ZINCRBY', PREFIX .. 'shelves', -size, tenant)) <= 0 then
      redis.call('ZREM', PREFIX .. 'shelves', tenant)
    end
  end
  local key = PREFIX .. 'answer:' .. tail
  for name in string.gmatch(redis.call('HGET', key, 'marks') or '', '%S+') do
    redis.call('ZREM', PREFIX .. 'mark:' .. name, tail)
  end
  return redis.call('UNLINK', key)
end

local function put(keep)
  local tenant, ends = tenant_of(keep.tail), now + keep.life
  local key = PREFIX .. 'answer:' .. keep.tail
  redis.call('HSET', key, unpack(ARGV, 2))
  redis.call('PEXPIREAT', key, ends)
  redis.call('HSET', PREFIX .. 'sizes:' .. tenant, keep.tail, keep.size)
  redis.call('ZADD', PREFIX .. 'used:' .. tenant, now, keep.tail)
  redis.call('ZADD', PREFIX .. 'ends', ends, keep.tail)
  redis.call('INCRBY', PREFIX .. 'bytes', keep.size)
  redis.call('ZINCRBY', PREFIX .. 'shelves', keep.size, tenant)
  for name in string.gmatch(redis.call('HGET', key, 'marks'), '%S+') do
    redis.call('ZREMRANGEBYSCORE', PREFIX .. 'mark:' .. name, '-inf', now)
    redis.call('ZADD', PREFIX .. 'mark:' .. name, ends, keep.tail)
    redis.call('PEXPIRE', PREFIX .. 'mark:' .. name, order.longest)
  end
  if keep.latest then redis.call('SET', PREFIX .. 'latest:' .. keep.latest, keep.tail, 'PXAT', ends) end
end

-- The tenant with the most data loses its least recently used answers.
local function make_room()
  for _ = 1, EVICTED do
    if tonumber(redis.call('GET', PREFIX .. 'bytes') or 0) <= order.most then return end
    local fullest = redis.call('ZREVRANGE', PREFIX .. 'shelves', 0, 0)[1]
    if not fullest then return end
    local oldest = redis.call('ZRANGE', PREFIX .. 'used:' .. fullest, 0, 0)[1]
    if oldest then
      take(oldest)
    else -- its keys were deleted from outside: the account must not ask for room that cannot be made
      redis.call('DECRBY', PREFIX .. 'bytes', redis.call('ZSCORE', PREFIX .. 'shelves', fullest))
      redis.call('ZREM', PREFIX .. 'shelves', fullest)
    end
  end
end

local function is_current(keep)
  for _, name in ipairs(keep.documents) do
    if tonumber(redis.call('GET', PREFIX .. 'changed:' .. name) or 0) > keep.version then return false end
  end
  return true
end

local forgotten, kept = 0, 0
for _, name in ipairs(order.changed or {}) do
  if tonumber(redis.call('GET', PREFIX .. 'changed:' .. name) or 0) < order.version then
    redis.call('SET', PREFIX .. 'changed:' .. name, order.version, 'PX', order.longest)
  end
end
for _, tail in ipairs(order.forget or {}) do forgotten = forgotten + take(tail) end
for _, tail in ipairs(order.touch or {}) do
  redis.call('ZADD', PREFIX .. 'used:' .. tenant_of(tail), 'XX', now, tail)
end
-- A little housekeeping with every call keeps the accounts of those true that are never asked for again.
for _, tail in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'ends', '-inf', now, 'LIMIT', 0, DUE)) do take(tail) end
if order.keep and is_current(order.keep) then
  take(order.keep.tail)
  put(order.keep)
  make_room()
  kept = 1
end
return {forgotten, kept}
