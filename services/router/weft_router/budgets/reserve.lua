-- Holds what calls may take, in one atomic step: each call's tokens and money from all of its accounts, or from none.
-- ARGV[1]: JSON, a list of {id, tokens, micros, lives_ms, limits = {{tokens, holds, days, tokens_per_minute,
-- micros_per_day}, …}}; names are those of weft_kit.spending, a limit of 0 is none. Names of days end in the day, which
-- is known only here, so none are declared as KEYS: this is for one Redis with its replicas, not for a cluster.
-- Answers per call {1, second, micros spent and held by each account} or {0, which limit (from 1), 1 = tokens or
-- 2 = money, used, seconds to wait; -1 = it will never fit}.
-- Time is the server's, so that replicas with different clocks agree.
local WINDOW_S, DAY_S, KEEP_S, SOON_S = 60, 86400, 2 * 86400, 1
local time = redis.call('TIME')
local second, now_ms = tonumber(time[1]), time[1] * 1000 + math.floor(time[2] / 1000)
local day = math.floor(second / DAY_S)

local function add(name, field, amount)
  if amount ~= 0 then redis.call('HINCRBY', name, field, amount) end
end

-- A router that died settles nothing: what it held is free again when its calls can no longer be under way.
local function give_up_lost_holds(limit)
  for _, hold in ipairs(redis.call('ZRANGEBYSCORE', limit.holds, '-inf', now_ms)) do
    local since, tokens, micros = hold:match(':(%d+):(%d+):(%d+)$')
    redis.call('ZREM', limit.holds, hold)
    if tonumber(since) == day then
      add(limit.days .. ':' .. since, 'held', -tonumber(micros))
      add(limit.days .. ':' .. since, 'held_tokens', -tonumber(tokens))
    end
  end
end

local accounts = {}

-- An account as it stands, read once however many of the calls are its own.
local function account_of(limit)
  local account = accounts[limit.tokens]
  if account then return account end
  give_up_lost_holds(limit)
  account = { seconds = {}, used = 0 }
  local fields = redis.call('HGETALL', limit.tokens)
  for i = 1, #fields, 2 do
    local at, tokens = tonumber(fields[i]), tonumber(fields[i + 1])
    if second - at > WINDOW_S then
      redis.call('HDEL', limit.tokens, fields[i])
    else
      account.seconds[at] = tokens
      account.used = account.used + tokens
    end
  end
  local money = redis.call('HMGET', limit.days .. ':' .. day, 'spent', 'held', 'held_tokens')
  account.spent, account.held = tonumber(money[1] or 0), tonumber(money[2] or 0)
  account.held_tokens = tonumber(money[3] or 0)
  accounts[limit.tokens] = account
  return account
end

local function wait_for_tokens(account, tokens, limit)
  if tokens > limit then return -1 end
  -- Held tokens come back as soon as their calls end, for hardly any takes the most it may.
  if account.used - account.held_tokens + tokens <= limit then return SOON_S end
  local excess, order = account.used + tokens - limit, {}
  for at in pairs(account.seconds) do order[#order + 1] = at end
  table.sort(order)
  for _, at in ipairs(order) do
    excess = excess - account.seconds[at]
    if excess <= 0 then return at + WINDOW_S + 1 - second end
  end
  return WINDOW_S + 1
end

local function wait_for_money(account, micros, limit)
  if micros > limit then return -1 end
  if account.spent + micros <= limit then return SOON_S end
  return (day + 1) * DAY_S - second
end

local function refusal(call)
  for i, limit in ipairs(call.limits) do
    local account = account_of(limit)
    if limit.tokens_per_minute > 0 and account.used + call.tokens > limit.tokens_per_minute then
      return { 0, i, 1, account.used, wait_for_tokens(account, call.tokens, limit.tokens_per_minute) }
    end
    local money = account.spent + account.held
    -- A call that costs nothing passes even where all is spent.
    if call.micros > 0 and limit.micros_per_day > 0 and money + call.micros > limit.micros_per_day then
      return { 0, i, 2, money, wait_for_money(account, call.micros, limit.micros_per_day) }
    end
  end
end

local function hold(call, limit)
  local account, today = account_of(limit), limit.days .. ':' .. day
  account.used = account.used + call.tokens
  account.seconds[second] = (account.seconds[second] or 0) + call.tokens
  account.held, account.held_tokens = account.held + call.micros, account.held_tokens + call.tokens
  add(limit.tokens, second, call.tokens)
  add(today, 'held', call.micros)
  add(today, 'held_tokens', call.tokens)
  redis.call('ZADD', limit.holds, now_ms + call.lives_ms, string.format('%s:%d:%d:%d', call.id, day, call.tokens, call.micros))
  redis.call('EXPIRE', limit.tokens, 2 * WINDOW_S)
  redis.call('EXPIRE', limit.holds, KEEP_S)
  redis.call('EXPIRE', today, KEEP_S)
  return account.spent + account.held
end

local answers = {}
for _, call in ipairs(cjson.decode(ARGV[1])) do
  local answer = refusal(call)
  if not answer then
    answer = { 1, second }
    for _, limit in ipairs(call.limits) do answer[#answer + 1] = hold(call, limit) end
  end
  answers[#answers + 1] = answer
end
return answers
