-- Many operations on the limits in one step, in their order; see redis.py.
--
-- ARGV[1] is a JSON list of the time a lease holds, in microseconds, and the operations, each a
-- list of its name and its arguments. The answer is a list with one item for each. What is read is
-- kept in tables and written at the very end, so that an error leaves everything as it was.
-- A time is in microseconds, money in billionths of a US dollar. A limit is a list of its name, its
-- size, the period in which its bucket fills (0: it bounds calls that run), and 1 if a call takes
-- its tokens and not 1; see kinds.py.

local PREFIX = 'tornado-router:limits:'
local LEASES = PREFIX .. 'leases' -- what is held, by when it expires
local ROUTERS = PREFIX .. 'routers' -- who is alive, by when it was last heard of
local HOUR = 3600000 -- in milliseconds: for so long is kept what nobody looks at
local EXPIRED_AT_ONCE = 500
local SHARE = 16 -- as in limiter.py

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
    found = { in_flight = 0 }
    holders[name] = found
  end
  return found
end

local function bucket_of(counted, name)
  local bucket = counted[name]
  if not bucket then
    bucket = { level = 0, time = now, limit = 0 }
    counted[name] = bucket
  end
  return bucket
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

function steps.admit(id, tokens, cost, most, rates, funds)
  local fits = true
  for _, one in ipairs(rates) do
    local counted = holder(one[1])
    for _, spec in ipairs(one[2]) do
      local name, limit, period, by_tokens = unpack(spec)
      if period == 0 then
        fits = fits and counted.in_flight < limit
      else
        local bucket = bucket_of(counted, name)
        drain(bucket, limit)
        local amount = by_tokens == 1 and tokens or 1
        fits = fits and bucket.level + amount * period <= limit * period
      end
    end
  end
  for _, one in ipairs(funds) do
    local found = fund(one[1], one[3])
    fits = fits and (cost == 0 or found.spent + found.reserved + cost <= one[2])
  end
  if fits and most > cost then
    local more = most - cost
    for _, one in ipairs(funds) do
      local found = purse(one[1])
      local left = one[2] - found.spent - found.reserved - cost
      more = math.min(more, math.floor(left / SHARE))
    end
    cost = cost + math.max(more, 0)
  end
  if fits then
    local held = { tokens = tokens, cost = cost, rates = {}, purses = {} }
    for i, one in ipairs(rates) do
      local counted = holder(one[1])
      local corrected = {}
      for _, spec in ipairs(one[2]) do
        local name, _, period, by_tokens = unpack(spec)
        if period > 0 then
          local bucket = bucket_of(counted, name)
          bucket.level = bucket.level + (by_tokens == 1 and tokens or 1) * period
          if by_tokens == 1 then
            corrected[#corrected + 1] = { name, period }
          end
        end
      end
      held.rates[i] = { one[1], #corrected > 0 and corrected }
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
    for _, spec in ipairs(one[2]) do
      answer[#answer + 1] = spec[3] == 0 and counted.in_flight or bucket_of(counted, spec[1]).level
    end
  end
  for _, one in ipairs(funds) do
    answer[#answer + 1] = purse(one[1]).spent
    answer[#answer + 1] = purse(one[1]).reserved
  end
  answer[#answer + 1] = cost
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
    local corrected = one[2]
    if corrected == true then -- a lease of a router of the version before
      corrected = { { 'tokens', 60000000 } }
    end
    for _, pair in ipairs(corrected or {}) do
      local bucket = bucket_of(holder(one[1]), pair[1])
      drain(bucket, bucket.limit)
      bucket.level = math.max(bucket.level + (tokens - held.tokens) * pair[2], 0)
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
    local kept = counted.in_flight > 0 and HOUR or 0
    for _, bucket in pairs(counted) do
      if type(bucket) == 'table' then
        kept = math.max(kept, until_empty(bucket))
      end
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
