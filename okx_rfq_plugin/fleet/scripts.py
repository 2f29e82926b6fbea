"""Atomic operations of the store: Lua scripts for Redis and Valkey."""

from __future__ import annotations

# Changes when the store is restarted or a replica takes over (run_id), and when it is emptied (the key is gone).
_EPOCH = """
local token = redis.call('GET', KEYS[1])
if not token then token = ARGV[1]; redis.call('SET', KEYS[1], token) end
local epoch = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') .. ':' .. token
"""

_NOW = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
"""

# KEYS: members, beat, latch. ARGV: id, member, beat, ms. Returns the latch.
RENEW = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return redis.call('GET', KEYS[3]) or ''
"""

# KEYS: epoch, members, latch. ARGV: a new token, prefix of beats. Returns epoch, latch, then id and beat of each.
LOOK = (
    _EPOCH
    + """
local seen = {epoch, redis.call('GET', KEYS[3]) or ''}
for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
  seen[#seen + 1] = id
  seen[#seen + 1] = redis.call('GET', ARGV[2] .. id) or ''
end
return seen
"""
)

# KEYS: latch. ARGV: floor, halted, reason, by, channel. Returns the latch as it was set.
SET_LATCH = (
    _NOW
    + """
local before = redis.call('GET', KEYS[1])
local version = math.max(now, tonumber(ARGV[1]) + 1)
if before then version = math.max(version, cjson.decode(before).version + 1) end
local latch = cjson.encode({
  version = 0, halted = ARGV[2] == '1', reason = ARGV[3], by = ARGV[4], since = now / 1000000})
latch = string.gsub(latch, '"version":0', '"version":' .. string.format('%.0f', version), 1)
redis.call('SET', KEYS[1], latch)
redis.call('PUBLISH', ARGV[5], latch)
return latch
"""
)

# KEYS: latch. ARGV: version, latch, channel. Puts back a latch that the store has lost.
PUT_BACK = """
local before = redis.call('GET', KEYS[1])
if before and cjson.decode(before).version >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[2])
return 1
"""

# KEYS: members, beat. ARGV: id. Removes a member that has not come back.
FORGET = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""

# Cancels shared across processes. Each caller has a random ticket. `waiting` holds, for each ticket, the ticket of the
# caller whose request serves it, or "w" for none yet. `sent` holds when each request left or came back, and its state
# ("wire", "back", or "full" if OKX refused it for its limit). `next` is the caller who waits for OKX's window.

# KEYS: waiting, next, sent, done of this ticket. ARGV: ticket, sends, window in µs, ms that `next` is valid once the
# window is open, least and most ms between two polls by followers.
# Returns {'done', outcome}, {'send', each ticket that the request will serve}, or {'wait', ms until OKX's window opens,
# ms between two polls after that}. The larger the crowd, the less often it polls.
ENTER = (
    _NOW
    + """
local done = redis.call('GET', KEYS[4])
if done then return {'done', done} end
local sends, window = tonumber(ARGV[2]), tonumber(ARGV[3])
local sent, lefts, wire = redis.call('HGETALL', KEYS[3]), {}, {}
for i = 1, #sent, 2 do
  local at, state = string.match(sent[i + 1], '(%d+) (%w+)')
  local left = tonumber(at) + window - now
  if left <= 0 or left > window then
    redis.call('HDEL', KEYS[3], sent[i])
  else
    for _ = 1, state == 'full' and sends or 1 do lefts[#lefts + 1] = left end
    wire[sent[i]] = state == 'wire'
  end
end
table.sort(lefts, function(a, b) return a > b end)
local opens = math.ceil((lefts[sends] or 0) / 1000)
local function wait(ms)
  local pause = 2 * redis.call('HLEN', KEYS[1])
  return {'wait', ms, math.min(math.max(pause, tonumber(ARGV[5])), tonumber(ARGV[6]))}
end
local by = redis.call('HGET', KEYS[1], ARGV[1])
if by and wire[by] then return wait(0) end
redis.call('HSET', KEYS[1], ARGV[1], 'w')
redis.call('PEXPIRE', KEYS[1], 90000)
local leader = redis.call('GET', KEYS[2])
if leader and leader ~= ARGV[1] then return wait(opens) end
if opens > 0 then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', opens + tonumber(ARGV[4]))
  return {'wait', opens, 0}
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', now) .. ' wire')
redis.call('PEXPIRE', KEYS[3], 90000)
local all, served = redis.call('HGETALL', KEYS[1]), {'send'}
for i = 1, #all, 2 do
  if all[i + 1] == 'w' then
    redis.call('HSET', KEYS[1], all[i], ARGV[1])
    served[#served + 1] = all[i]
  end
end
return served
"""
)

# KEYS: waiting, next, sent. ARGV: ticket, state of its request ('' if the store does not know about the request and
# must not record it), prefix of `done` keys, ms that outcomes are kept, then ticket and outcome of each caller served.
# No pairs if the cancel was not clean: then those who wait continue on their own.
ENDED = (
    _NOW
    + """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
local state = ARGV[2]
if state == '' and redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then state = 'back' end
if state ~= '' then
  redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', now) .. ' ' .. state)
  redis.call('PEXPIRE', KEYS[3], 90000)
end
for i = 5, #ARGV, 2 do
  redis.call('SET', ARGV[3] .. ARGV[i], ARGV[i + 1], 'PX', ARGV[4])
  redis.call('HDEL', KEYS[1], ARGV[i])
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
"""
)
