-- One event id: the row as it was first taken in; before it comes, the outcomes that wait for it.
-- A row is ROW_BYTES long, with STATUSES "known at" times from byte 32 on; what waits are these
-- times alone. All numbers are signed 64-bit little-endian.
--
-- KEYS[1]: the event id. ARGV[1]: "known at" times. ARGV[2]: the event's row, or nothing.
-- Without a row the times are noted, on the row or to wait. With a row that is not there yet it is
-- put in with what waited; one that is there stands. Returns the row, nil where there is none.

local key, told, row = KEYS[1], ARGV[1], ARGV[2]
local value = redis.call('GET', key)
local is_held = value and #value == ROW_BYTES
local END = 32 + 8 * STATUSES

local function earlier(some, others)
  local times = {}
  for at = 1, 8 * STATUSES, 8 do
    local one, other = string.sub(some, at, at + 7), string.sub(others, at, at + 7)
    times[#times + 1] = struct.unpack('<i8', one) < struct.unpack('<i8', other) and one or other
  end
  return table.concat(times)
end

if row and is_held then
  return value
end
if is_held or row then
  local held = is_held and value or row
  local times = earlier(string.sub(held, 33, END), told)
  if row and value then
    times = earlier(times, value)
  end
  held = string.sub(held, 1, 32) .. times .. string.sub(held, END + 1)
  if is_held then
    redis.call('SET', key, held, 'KEEPTTL')
  else
    redis.call('SET', key, held, 'PX', TTL_MS)
  end
  return held
end
redis.call('SET', key, value and earlier(value, told) or told, 'PX', TTL_MS)
return false
