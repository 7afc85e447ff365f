-- Many operations on the limits in one step, in their order; see redis.py.
--
-- ARGV[1] is a JSON list of the time a lease holds, in microseconds, and the operations, each a
-- list of its name and its arguments. The answer is a list with one item for each. What is read is
-- kept in tables and written at the very end, so that an error leaves everything as it was.
-- A time is in microseconds, money in billionths of a US dollar, a limit of -1 is none.

local PREFIX = 'tornado-router:limits:'
local LEASES = PREFIX .. 'leases' -- what is held, by when it expires
local ROUTERS = PREFIX .. 'routers' -- who is alive, by when it was last heard of
local MINUTE = 60000000
local HOUR = 3600000 -- in milliseconds: for so long is kept what nobody looks at
local EXPIRED_AT_ONCE = 500

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local request = cjson.decode(ARGV[1])
local lease_time = request[1]

local holders, purses, leases = {}, {}, {}

local function read(cache, kind, name)
  local found = cache[name]
  if found == nil then
    local text = redis.call('GET', PREFIX .. kind .. name)
    found = text and cmsgpack.unpack(text) or false
    cache[name] = found
  end
  return found
end

local function holder(name)
  local found = read(holders, 'rates:', name)
  if not found then
    found = {
      requests = { level = 0, time = now, limit = 0 },
      tokens = { level = 0, time = now, limit = 0 },
      in_flight = 0,
    }
    holders[name] = found
  end
  return found
end

local function purse(id)
  return read(purses, 'purse:', id)
end

local function lease(id)
  return read(leases, 'lease:', id)
end

-- Lets flow back what is due by now. A clock that was put back lets nothing flow.
local function drain(bucket, limit)
  bucket.level = math.max(bucket.level - math.max(now - bucket.time, 0) * limit, 0)
  bucket.time = now
  bucket.limit = limit
end

local function fund(id, spent)
  local found = purse(id)
  if not found then
    found = { spent = spent, reserved = 0 }
    purses[id] = found
  end
  found.spent = math.max(found.spent, spent)
  return found
end

local function hold(held, sign)
  for _, one in ipairs(held.rates) do
    local counted = holder(one[1])
    counted.in_flight = math.max(counted.in_flight + sign, 0)
  end
  for _, id in ipairs(held.purses) do
    local found = purse(id)
    if found then
      found.reserved = math.max(found.reserved + sign * held.cost, 0)
    end
  end
end

-- Whoever holds a lease that expired is dead, or was away: its call no longer counts, but what it
-- costs does if that is told later.
local function expire()
  local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, EXPIRED_AT_ONCE)
  for _, id in ipairs(expired) do
    local held = lease(id)
    if held then
      hold(held, -1)
      held.deadline = nil
    end
  end
end

local function renew(held)
  if not held.deadline then
    hold(held, 1)
  end
  held.deadline = now + lease_time
end

local steps = {}

function steps.admit(id, tokens, cost, rates, funds)
  local fits = true
  for _, one in ipairs(rates) do
    local name, request_limit, token_limit, in_flight = unpack(one)
    local counted = holder(name)
    if request_limit >= 0 then
      drain(counted.requests, request_limit)
      fits = fits and counted.requests.level + MINUTE <= request_limit * MINUTE
    end
    if token_limit >= 0 then
      drain(counted.tokens, token_limit)
      fits = fits and counted.tokens.level + tokens * MINUTE <= token_limit * MINUTE
    end
    fits = fits and (in_flight < 0 or counted.in_flight < in_flight)
  end
  for _, one in ipairs(funds) do
    local found = fund(one[1], one[3])
    fits = fits and (cost == 0 or found.spent + found.reserved + cost <= one[2])
  end
  if fits then
    local held = { tokens = tokens, cost = cost, rates = {}, purses = {} }
    for i, one in ipairs(rates) do
      local counted = holder(one[1])
      if one[2] >= 0 then
        counted.requests.level = counted.requests.level + MINUTE
      end
      if one[3] >= 0 then
        counted.tokens.level = counted.tokens.level + tokens * MINUTE
      end
      held.rates[i] = { one[1], one[3] >= 0 }
    end
    for i, one in ipairs(funds) do
      held.purses[i] = one[1]
    end
    renew(held)
    leases[id] = held
  end
  local answer = { fits and 1 or 0 }
  for _, one in ipairs(rates) do
    local counted = holder(one[1])
    answer[#answer + 1] = counted.requests.level
    answer[#answer + 1] = counted.tokens.level
    answer[#answer + 1] = counted.in_flight
  end
  for _, one in ipairs(funds) do
    answer[#answer + 1] = purse(one[1]).spent
    answer[#answer + 1] = purse(one[1]).reserved
  end
  return answer
end

-- A lease that nobody knows was there before Redis lost everything: it begins anew as money.
function steps.extend(id, wanted, cost, funds)
  local held = lease(id)
  for _, one in ipairs(funds) do
    fund(one[1], one[3])
  end
  if not held then
    held = { tokens = 0, cost = cost, rates = {}, purses = {} }
    for i, one in ipairs(funds) do
      held.purses[i] = one[1]
    end
    leases[id] = held
  end
  renew(held)
  for _, one in ipairs(funds) do
    local found = purse(one[1])
    wanted = math.min(wanted, one[2] - found.spent - found.reserved)
  end
  wanted = math.max(wanted, 0)
  for _, one in ipairs(funds) do
    local found = purse(one[1])
    found.reserved = found.reserved + wanted
  end
  held.cost = held.cost + wanted
  return wanted
end

function steps.settle(id, tokens, cost)
  local held = lease(id)
  if not held then
    return 0
  end
  if held.deadline then
    hold(held, -1)
  end
  for _, one in ipairs(held.rates) do
    if one[2] then
      local bucket = holder(one[1]).tokens
      drain(bucket, bucket.limit)
      bucket.level = math.max(bucket.level + (tokens - held.tokens) * MINUTE, 0)
    end
  end
  for _, one in ipairs(held.purses) do
    local found = purse(one)
    if found then -- otherwise the database knows better by the time that somebody asks
      found.spent = found.spent + cost
    end
  end
  leases[id] = false
  return 1
end

function steps.beat(router, ids)
  for _, id in ipairs(ids) do
    local held = lease(id)
    if held then
      renew(held)
      for _, one in ipairs(held.rates) do
        holder(one[1])
      end
      for _, one in ipairs(held.purses) do
        purse(one)
      end
    end
  end
  redis.call('ZADD', ROUTERS, now, router)
  redis.call('ZREMRANGEBYSCORE', ROUTERS, '-inf', now - lease_time)
  redis.call('PEXPIRE', ROUTERS, HOUR)
  return redis.call('ZCARD', ROUTERS)
end

function steps.leave(router)
  return redis.call('ZREM', ROUTERS, router)
end

-- In how many milliseconds a bucket is empty.
local function until_empty(bucket)
  if bucket.level == 0 then
    return 0
  end
  return bucket.limit == 0 and HOUR or math.ceil(bucket.level / bucket.limit / 1000) + 1
end

local function write()
  for name, counted in pairs(holders) do
    local kept = math.max(until_empty(counted.requests), until_empty(counted.tokens))
    if counted.in_flight > 0 then
      kept = math.max(kept, HOUR)
    end
    if kept > 0 then
      redis.call('SET', PREFIX .. 'rates:' .. name, cmsgpack.pack(counted), 'PX', kept)
    else
      redis.call('DEL', PREFIX .. 'rates:' .. name)
    end
  end
  for id, found in pairs(purses) do
    if found then
      redis.call('SET', PREFIX .. 'purse:' .. id, cmsgpack.pack(found), 'PX', HOUR)
    end
  end
  for id, held in pairs(leases) do
    if held then
      redis.call('SET', PREFIX .. 'lease:' .. id, cmsgpack.pack(held), 'PX', HOUR)
    else
      redis.call('DEL', PREFIX .. 'lease:' .. id)
    end
    if held and held.deadline then
      redis.call('ZADD', LEASES, held.deadline, id)
    else
      redis.call('ZREM', LEASES, id)
    end
  end
end

expire()
local answers = {}
for i = 2, #request do
  local operation = request[i]
  answers[i - 1] = steps[operation[1]](unpack(operation, 2))
end
write()
return answers
