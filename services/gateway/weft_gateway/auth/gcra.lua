-- GCRA for a batch of calls in one atomic step: a call passes under all of its limits, or counts under none.
-- KEYS: the limits, call after call. ARGV: per call the number of its limits, then per limit its interval and its
-- tolerance in microseconds, and as how many calls this one counts. Answers per call: microseconds to wait, and which of
-- its limits says so (from 1).
-- Time is the server's, so that replicas with different clocks agree.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer, key, arg = {}, 0, 1

while arg <= #ARGV do
  local count = tonumber(ARGV[arg])
  local longest, which, due = 0, 0, {}
  for i = 1, count do
    local at = arg + 3 * i - 2
    local interval, tolerance, calls = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local stored = tonumber(redis.call('GET', KEYS[key + i]) or 0)
    -- More than this rate can owe was owed to a slower one, before it was raised: that is forgiven.
    if stored > now + tolerance + interval then stored = now + tolerance end
    local owed = math.max(stored, now)
    local wait = owed + (calls - 1) * interval - tolerance - now
    if wait > longest then longest, which = wait, i end
    due[i] = owed + calls * interval
  end
  if which == 0 then
    for i = 1, count do
      -- %.0f: a plain conversion would round microseconds since 1970 to 14 digits.
      redis.call('SET', KEYS[key + i], string.format('%.0f', due[i]), 'PX', math.ceil((due[i] - now) / 1000))
    end
  end
  answer[#answer + 1] = longest
  answer[#answer + 1] = which
  key, arg = key + count, arg + 1 + 3 * count
end
return answer
