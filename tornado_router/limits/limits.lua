-- Many operations on the limits in one step, in their order; see redis.py and docs/decisions/0020.
--
-- ARGV[1] is a JSON list of the time a lease holds, in microseconds, the token of the epoch that the
-- router knows, and the operations, each a list of its name and its arguments. The answer is a list
-- with one item for each. What is read is kept in tables and written at the very end, so that an
-- error leaves everything as it was. A time is in microseconds, money in billionths of a US dollar.
-- A limit is a list of its name, its size, the period in which its bucket fills (0: it bounds calls
-- that run), and 1 if a call takes its tokens and not 1; see kinds.py. A fund is a list of a purse's
-- id, its allowance, what is known to be spent of it, and 1 if that was read in this very epoch.
--
-- No key expires: what expires may be evicted. Whoever beats sweeps out what is idle.

local PREFIX = 'tornado-router:limits:'
local MONEY = PREFIX .. 'money' -- the epoch, purses and leases: forgotten together, or not at all
local RATES = PREFIX .. 'rates' -- what is counted for each holder
local LEASES = PREFIX .. 'leases' -- what is held, by when it expires
local ROUTERS = PREFIX .. 'routers' -- who is alive, by when it was last heard of
local CHANNEL = 'tornado-router:limits' -- says that an epoch begins, or that a router joins it

local FORGOTTEN, UNKNOWN = -1, -2 -- no epoch that this router knows; a purse that nobody has read
local HOUR, DAY = 3600000000, 86400000000
local EXPIRED_AT_ONCE = 500
local SHARE = 16 -- as in limiter.py
local SWEPT_AT_ONCE = 200
local WRITTEN_AT_ONCE = 500 -- arguments of a command

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local request = cjson.decode(ARGV[1])
local lease_time, token = request[1], request[2]

local holders, purses, leases = {}, {}, {}
local epoch = redis.call('HGET', MONEY, 'epoch')
epoch = epoch and cmsgpack.unpack(epoch)
local is_changed, is_new = false, false

-- The clock of leases and routers. Where Redis' own jumps, or nobody got through to it for long,
-- nobody could have renewed a lease: the gap counts as the pause between two beats.
local clock = now
if epoch then
  local passed = now - epoch.time
  local most = math.floor(lease_time / 3)
  clock = epoch.clock + math.min(math.max(passed, 0), most)
  if passed < 0 or passed > most / 32 then
    epoch.time, epoch.clock, is_changed = now, clock, true
  end
end

local function is_known()
  return epoch and epoch.token == token
end

local function may_spend()
  if not is_known() then
    return false
  end
  if not epoch.open then
    local complete = next(epoch.awaited) == nil and clock >= epoch.due
    if complete or clock >= epoch.latest then
      epoch.open, epoch.awaited, epoch.joined, is_changed = true, {}, {}, true
    end
  end
  return epoch.open
end

local function read(cache, key, name, field)
  local found = cache[name]
  if found == nil then
    local text = redis.call('HGET', key, field)
    found = text and cmsgpack.unpack(text) or false
    cache[name] = found
  end
  return found
end

local function holder(name)
  local found = read(holders, RATES, name, name)
  if not found then
    found = { in_flight = 0 }
    holders[name] = found
  end
  local id = epoch and epoch.id or ''
  if found.epoch ~= id then -- who runs calls reports so again
    found.epoch, found.in_flight = id, 0
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
  return read(purses, MONEY, id, 'purse:' .. id)
end

local function lease(id)
  return read(leases, MONEY, id, 'lease:' .. id)
end

-- Lets flow back what is due by now, by the limit that held until now. A clock that was put back
-- lets nothing flow.
local function drain(bucket, limit)
  bucket.level = math.max(bucket.level - math.max(now - bucket.time, 0) * bucket.limit, 0)
  bucket.time = now
  bucket.limit = limit
end

-- A purse; what is spent of it is not known before it was read (`based`): until then, it holds what
-- was spent since the epoch began.
local function open_purse(fund)
  local id, allowance = fund[1], fund[2]
  local found = purse(id)
  if not found then
    found = { spent = 0, reserved = 0 }
    purses[id] = found
  end
  found.allowance, found.used = allowance, now
  return found
end

local function is_based(funds)
  for _, fund in ipairs(funds) do
    local found = purse(fund[1])
    if not (found and found.based) and fund[4] ~= 1 then
      return false
    end
  end
  return true
end

local function base(found, spent)
  if found.based then
    found.spent = math.max(found.spent, spent)
  else
    found.spent = math.max(spent, math.min(found.spent + spent, found.allowance))
    found.based = true
  end
end

local function open_purses(funds)
  for _, fund in ipairs(funds) do
    base(open_purse(fund), fund[3])
  end
end

local function left(found)
  return math.max(found.allowance - found.spent - found.reserved, 0)
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
-- costs does if that is reported later.
local function expire()
  local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', clock, 'LIMIT', 0, EXPIRED_AT_ONCE)
  for _, id in ipairs(expired) do
    local held = lease(id)
    if held then
      hold(held, -1)
      held.deadline, held.expired = nil, clock
    else
      leases[id] = false
    end
  end
end

-- One that had expired holds what is there by now: others may have taken the rest.
local function renew(held)
  if not held.deadline then
    for _, id in ipairs(held.purses) do
      local found = purse(id)
      if found and found.based then
        held.cost = math.min(held.cost, left(found))
      end
    end
    hold(held, 1)
  end
  held.deadline, held.expired = clock + lease_time, nil
end

local function new_lease(id, tokens, cost, rates, funds)
  local held = { tokens = tokens, cost = cost, rates = {}, purses = {} }
  for i, one in ipairs(rates) do
    local corrected = {}
    for _, spec in ipairs(one[2]) do
      if spec[3] > 0 and spec[4] == 1 then
        corrected[#corrected + 1] = { spec[1], spec[3] }
      end
    end
    held.rates[i] = { one[1], #corrected > 0 and corrected }
  end
  for i, one in ipairs(funds) do
    held.purses[i] = one[1]
  end
  leases[id] = held
  return held
end

local steps = {}

function steps.admit(id, tokens, cost, most, rates, funds)
  if not is_known() or #funds > 0 and not may_spend() then
    return { FORGOTTEN }
  end
  if not is_based(funds) then
    return { UNKNOWN }
  end
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
  open_purses(funds)
  for _, one in ipairs(funds) do
    local found = purse(one[1])
    fits = fits and (cost == 0 or found.spent + found.reserved + cost <= one[2])
  end
  if fits and most > cost then
    local more = most - cost
    for _, one in ipairs(funds) do
      more = math.min(more, math.floor((left(purse(one[1])) - cost) / SHARE))
    end
    cost = cost + math.max(more, 0)
  end
  if fits then
    for _, one in ipairs(rates) do
      local counted = holder(one[1])
      for _, spec in ipairs(one[2]) do
        local name, _, period, by_tokens = unpack(spec)
        if period > 0 then
          local bucket = bucket_of(counted, name)
          bucket.level = bucket.level + (by_tokens == 1 and tokens or 1) * period
        end
      end
    end
    renew(new_lease(id, tokens, cost, rates, funds))
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

-- What the lease holds then.
function steps.extend(id, wanted, cost, funds)
  if not may_spend() then
    return FORGOTTEN
  end
  if not is_based(funds) then
    return UNKNOWN
  end
  open_purses(funds)
  local held = lease(id) or new_lease(id, 0, cost, {}, funds)
  renew(held)
  for _, one in ipairs(funds) do
    wanted = math.min(wanted, left(purse(one[1])))
  end
  for _, one in ipairs(funds) do
    local found = purse(one[1])
    found.reserved = found.reserved + wanted
  end
  held.cost = held.cost + wanted
  return held.cost
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
    for _, pair in ipairs(one[2] or {}) do
      local bucket = bucket_of(holder(one[1]), pair[1])
      drain(bucket, bucket.limit)
      bucket.level = math.max(bucket.level + (tokens - held.tokens) * pair[2], 0)
    end
  end
  for _, one in ipairs(held.purses) do
    local found = purse(one)
    if found then -- otherwise the database knows better by the time that somebody asks
      local spent = found.spent + cost
      -- Others may have what a late call takes: as in the database, there is no more than there is.
      found.is_late = found.is_late or not held.deadline
      if found.is_late then
        spent = math.max(found.spent, math.min(spent, found.allowance))
      end
      found.spent, found.used = spent, now
    end
  end
  leases[id] = false
  return 1
end

-- Who is alive, and the leases that hold less than they did, each with what it holds.
function steps.beat(router, ids)
  if not is_known() then
    return FORGOTTEN
  end
  local lowered = {}
  for _, id in ipairs(ids) do
    local held = lease(id)
    local before = held and held.cost
    if held then
      renew(held)
    end
    if not held or held.cost < before then
      lowered[#lowered + 1] = { id, held and held.cost or 0 }
    end
  end
  redis.call('ZADD', ROUTERS, clock, router)
  redis.call('ZREMRANGEBYSCORE', ROUTERS, '-inf', clock - lease_time)
  return { redis.call('ZRANGE', ROUTERS, 0, -1), lowered }
end

function steps.leave(router)
  return redis.call('ZREM', ROUTERS, router)
end

-- The id of the epoch: a new one if Redis forgot the last, or is not the server that has it.
-- It opens once all have joined of whom anybody knows, or when their leases would have expired.
function steps.assemble(router, id, server, grace, others)
  if not epoch or epoch.server ~= server then
    epoch = {
      id = id,
      server = server,
      token = id .. ':' .. server,
      time = now,
      clock = now,
      due = now + grace,
      latest = now + math.max(lease_time, grace),
      open = false,
      awaited = {},
      joined = {},
    }
    clock, is_changed, is_new = now, true, true
    purses, leases = {}, {}
    redis.call('PUBLISH', CHANNEL, id)
  end
  if not epoch.open then
    for _, other in ipairs(others) do
      if not epoch.joined[other] then
        epoch.awaited[other], is_changed = true, true
      end
    end
  end
  return epoch.id
end

-- What the lease of a call that runs holds in this epoch.
function steps.report(id, tokens, cost, rates, funds)
  if not is_known() then
    return FORGOTTEN
  end
  local held = lease(id)
  if not held then
    for _, one in ipairs(funds) do
      open_purse(one)
    end
    held = new_lease(id, tokens, cost, rates, funds)
    renew(held)
  end
  return held.cost
end

-- The router has reported all that it holds, and what ended before is in the database.
function steps.join(router)
  if not is_known() then
    return FORGOTTEN
  end
  if not epoch.open then
    epoch.joined[router], epoch.awaited[router], is_changed = true, nil, true
  end
  redis.call('ZADD', ROUTERS, clock, router)
  redis.call('PUBLISH', CHANNEL, epoch.id)
  return 1
end

function steps.opened()
  if not is_known() then
    return FORGOTTEN
  end
  return may_spend() and 1 or 0
end

-- What the database has of purses that were reported; nobody writes there what was spent of them since.
function steps.base(figures)
  if not may_spend() then
    return FORGOTTEN
  end
  for _, one in ipairs(figures) do
    local found = purse(one[1])
    if found and not found.based then
      base(found, one[2])
    end
  end
  return 1
end

-- Whether it is as good as new, once what is due has flowed back.
local function is_idle(counted)
  if counted.in_flight > 0 and counted.epoch == (epoch and epoch.id) then
    return false
  end
  for _, bucket in pairs(counted) do
    if type(bucket) == 'table' then
      local due = (now - bucket.time) * bucket.limit
      local is_stuck = bucket.limit == 0 and bucket.time < now - HOUR
      if bucket.level > due and not is_stuck then
        return false
      end
    end
  end
  return true
end

local function scan(key, cursor)
  local found = redis.call('HSCAN', key, cursor, 'COUNT', SWEPT_AT_ONCE)
  return found[1], found[2], redis.call('HLEN', key)
end

-- Looks at some of all that there is, so that `write` drops what is idle.
function steps.sweep(rates_cursor, money_cursor)
  local rates_next, fields, rates_count = scan(RATES, rates_cursor)
  for i = 1, #fields, 2 do
    local name = fields[i]
    if holders[name] == nil and is_idle(cmsgpack.unpack(fields[i + 1])) then
      holders[name] = { in_flight = 0 }
    end
  end
  local money_next, more, money_count = scan(MONEY, money_cursor)
  for i = 1, #more, 2 do
    local kind, id = more[i]:match('^(%l+):(.*)$')
    if kind == 'purse' then
      purse(id)
    elseif kind == 'lease' then
      local held = lease(id)
      if held and not held.deadline and held.expired < clock - HOUR then
        leases[id] = false
      end
    end
  end
  return { rates_next, money_next, rates_count + money_count }
end

local function flush(command, key, arguments)
  for first = 1, #arguments, WRITTEN_AT_ONCE do
    local last = math.min(first + WRITTEN_AT_ONCE - 1, #arguments)
    redis.call(command, key, unpack(arguments, first, last))
  end
end

local function put(arguments, first, second)
  arguments[#arguments + 1] = first
  arguments[#arguments + 1] = second
end

local function write_rates()
  local set, dropped = {}, {}
  for name, counted in pairs(holders) do
    if is_idle(counted) then
      dropped[#dropped + 1] = name
    else
      put(set, name, cmsgpack.pack(counted))
    end
  end
  flush('HSET', RATES, set)
  flush('HDEL', RATES, dropped)
end

local function write_money()
  local set, dropped, deadlines, ended = {}, {}, {}, {}
  if is_new then
    redis.call('DEL', MONEY, LEASES)
  end
  if is_changed then
    put(set, 'epoch', cmsgpack.pack(epoch))
  end
  for id, found in pairs(purses) do
    -- By then the database has the sum.
    if found and found.reserved == 0 and found.used < now - DAY then
      dropped[#dropped + 1] = 'purse:' .. id
    elseif found then
      put(set, 'purse:' .. id, cmsgpack.pack(found))
    end
  end
  for id, held in pairs(leases) do
    if held then
      put(set, 'lease:' .. id, cmsgpack.pack(held))
    else
      dropped[#dropped + 1] = 'lease:' .. id
    end
    if held and held.deadline then
      put(deadlines, held.deadline, id)
    else
      ended[#ended + 1] = id
    end
  end
  flush('HSET', MONEY, set)
  flush('HDEL', MONEY, dropped)
  flush('ZADD', LEASES, deadlines)
  flush('ZREM', LEASES, ended)
end

expire()
local answers = {}
for i = 3, #request do
  local operation = request[i]
  answers[i - 2] = steps[operation[1]](unpack(operation, 2))
end
write_rates()
write_money()
return answers
