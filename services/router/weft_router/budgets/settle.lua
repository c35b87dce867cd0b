-- Books what calls took, and gives back what was held for them. KEYS[1] holds the number of the list that its router
-- booked last, ARGV[2] the number of this one: a repeat of it, sent because no answer came, changes nothing.
-- ARGV[1]: JSON, a list of {accounts = {{tokens, holds, days}, …}, costs = {names}, provider, second, day, tokens, micros,
-- hold, held_tokens, held_micros}; `hold` is empty where nothing was held, `tokens` are those beyond the held ones, and
-- less than 0 when there were fewer.
local WINDOW_S, KEEP_S = 60, 2 * 86400
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', KEEP_S)
local now = tonumber(redis.call('TIME')[1])

local function add(name, field, amount)
  -- What was lost with a Redis that forgot must not count below nothing.
  if amount ~= 0 and redis.call('HINCRBY', name, field, amount) < 0 then redis.call('HSET', name, field, 0) end
  return amount ~= 0
end

for _, call in ipairs(cjson.decode(ARGV[1])) do
  for _, account in ipairs(call.accounts) do
    local day = account.days .. ':' .. call.day
    if now - call.second <= WINDOW_S and add(account.tokens, call.second, call.tokens) then
      redis.call('EXPIRE', account.tokens, 2 * WINDOW_S)
    end
    if call.hold ~= '' and redis.call('ZREM', account.holds, call.hold) == 1 then
      add(day, 'held', -call.held_micros)
      add(day, 'held_tokens', -call.held_tokens)
    end
    if add(day, 'spent', call.micros) then redis.call('EXPIRE', day, KEEP_S) end
  end
  for _, name in ipairs(call.costs) do
    if add(name, call.provider, call.micros) then redis.call('EXPIRE', name, KEEP_S) end
  end
end
return 1
