/**
 * What does the shared state do, in one step that nothing can come between?
 *
 * By its own clock. A client has a hash of what was taken in each slot of half a second within the last minute, with its
 * sums, and a sorted set of the places in use, by when their lease ends: a proxy that died gives its places back so.
 * All keys stand in one slot of a Redis cluster.
 */
import { SLOT, SLOTS } from "./window.ts";

/** Seconds after which a client that asks for nothing is forgotten: longer than the minute. */
const KEPT = 130;

/** The server's time, and what is older than a minute thrown away. `counts`, `n`: the hash, and the slot of this moment. */
const CLOCK = `
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local n = math.floor(ms / ${SLOT})
local function sum(counts, name) return tonumber(redis.call('HGET', counts, name) or '0') end
local function add(counts, name, slot, amount)
  if amount == 0 then return end
  redis.call('HINCRBY', counts, name .. slot, amount)
  redis.call('HINCRBY', counts, name, amount)
end
local function turn(counts)
  local oldest = tonumber(redis.call('HGET', counts, 'o') or n - ${SLOTS - 1})
  local first = n - ${SLOTS - 1}
  if oldest < first then
    for slot = oldest, first - 1 do
      for _, name in ipairs({'r', 't'}) do
        local gone = redis.call('HGET', counts, name .. slot)
        if gone then
          redis.call('HDEL', counts, name .. slot)
          redis.call('HINCRBY', counts, name, -gone)
        end
      end
    end
  end
  redis.call('HSET', counts, 'o', math.max(oldest, first))
  redis.call('EXPIRE', counts, ${KEPT})
end
`;

/**
 * KEYS: life. ARGV: a name for it, if it has just begun. Returns its name, and how many milliseconds ago it began. A
 * server that was started anew begins another life, whatever it has read from its disk: that may be of long ago.
 */
export const HELLO = `
${CLOCK}
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
if redis.call('HGET', KEYS[1], 'run') ~= run then
  redis.call('HSET', KEYS[1], 'run', run, 'name', ARGV[1], 'at', ms)
end
return {redis.call('HGET', KEYS[1], 'name'), ms - redis.call('HGET', KEYS[1], 'at')}
`;

/**
 * KEYS: life, counts, places, recent. ARGV: the life that is known, the three limits (-1: none), tokens, the place, its
 * lease, the client.
 * Returns 0 taken, 1 requests, 2 tokens, 3 places, or -1 another life; then requests and tokens taken, and the slot.
 */
export const TAKE = `
if redis.call('HGET', KEYS[1], 'name') ~= ARGV[1] then return {-1, 0, 0, 0} end
${CLOCK}
turn(KEYS[2])
local requests, tokens, places = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local r, t, amount = sum(KEYS[2], 'r'), sum(KEYS[2], 't'), tonumber(ARGV[5])
if requests >= 0 and r + 1 > requests then return {1, r, t, n} end
if tokens >= 0 and t + amount > tokens then return {2, r, t, n} end
if places >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ms)
  if redis.call('ZCARD', KEYS[3]) >= places then return {3, r, t, n} end
  redis.call('ZADD', KEYS[3], ms + ARGV[7], ARGV[6])
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
end
add(KEYS[2], 'r', n, 1)
add(KEYS[2], 't', n, amount)
redis.call('ZADD', KEYS[4], ms, ARGV[8])
redis.call('EXPIRE', KEYS[4], ${KEPT})
return {0, r + 1, t + amount, n}
`;

/**
 * KEYS: life, counts. ARGV: the life that is known, the slot (-1: this moment's, -2: the one before…), requests and
 * tokens: more, or less.
 */
export const CORRECT = `
if redis.call('HGET', KEYS[1], 'name') ~= ARGV[1] then return -1 end
${CLOCK}
turn(KEYS[2])
local slot = tonumber(ARGV[2])
if slot < 0 then slot = n + slot + 1 end
if slot < n - ${SLOTS - 1} then return 0 end
for i, name in ipairs({'r', 't'}) do
  local amount = tonumber(ARGV[i + 2])
  if amount < 0 then amount = math.max(amount, -tonumber(redis.call('HGET', KEYS[2], name .. slot) or '0')) end
  add(KEYS[2], name, slot, amount)
end
return 0
`;

/**
 * KEYS: life, counts, places. ARGV: the life that is known, the lease, how many entries, for each its age in slots,
 * requests and tokens, then the places in use. Returns requests and tokens taken, or -1 in another life.
 */
export const BRING = `
if redis.call('HGET', KEYS[1], 'name') ~= ARGV[1] then return {-1, 0} end
${CLOCK}
turn(KEYS[2])
local last = 3 + ARGV[3] * 3
for i = 4, last, 3 do
  local slot = n - ARGV[i]
  if slot >= n - ${SLOTS - 1} then
    add(KEYS[2], 'r', slot, tonumber(ARGV[i + 1]))
    add(KEYS[2], 't', slot, tonumber(ARGV[i + 2]))
  end
end
for i = last + 1, #ARGV do redis.call('ZADD', KEYS[3], ms + ARGV[2], ARGV[i]) end
if #ARGV > last then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end
return {sum(KEYS[2], 'r'), sum(KEYS[2], 't')}
`;

/**
 * KEYS: life, recent. ARGV: the life that is known, since when, how many at most, what stands before a client's name in
 * the key of its counts. Returns the time, and for each client that has taken something its name, requests and tokens.
 */
export const NEWS = `
if redis.call('HGET', KEYS[1], 'name') ~= ARGV[1] then return {-1} end
${CLOCK}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. (ms - ${SLOT * SLOTS}))
local news = {ms}
for _, client in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[2], '+inf', 'LIMIT', 0, ARGV[3])) do
  local counts = ARGV[4] .. client
  turn(counts)
  table.insert(news, client)
  table.insert(news, sum(counts, 'r'))
  table.insert(news, sum(counts, 't'))
end
return news
`;
