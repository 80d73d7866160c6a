-- Entities' events, each entity's in one string: rows of one width by ascending (event time,
-- event id), each id once. A row begins with event id and event time; its "known at" times begin
-- at byte 32. All numbers are signed 64-bit little-endian.
--
-- KEYS: entities. ARGV: for each of them the row to put in where it belongs, if it is not there.
-- Or for each of them rows in that order, then what to do with them, then for each of them the
-- rows' width in bytes, then for each of them how many "known at" times a row has:
--   'merge'   put in those that are not there, of the others take over times that are earlier
--   'note'    take over times that are earlier, of those that are there
--   'remove'  take out those that are there
-- Returns how many rows were let go that a query within the allowed lateness may look at.
--
-- FROM and TO lead from a width to the first and last byte of the last row's head, from the end.

local call, unpack, floor, sub = redis.call, struct.unpack, math.floor, string.sub
local HEAD = '<I4i4i8'

local function is_before(time, high, low, other_time, other_high, other_low)
  if time ~= other_time then return time < other_time end
  if high ~= other_high then return high < other_high end
  return low < other_low
end

local function head_at(key, width, place)
  local low, high, time = unpack(HEAD, call('GETRANGE', key, place * width, place * width + 15))
  return time, high, low
end

-- The place of the first row that does not come before the given one, and whether it is that.
local function find(key, width, row)
  local low, high, time = unpack(HEAD, row)
  local first, last, is_found = 0, call('STRLEN', key) / width, false
  while first < last do
    local middle = floor((first + last) / 2)
    local its_time, its_high, its_low = head_at(key, width, middle)
    if is_before(its_time, its_high, its_low, time, high, low) then
      first = middle + 1
    else
      is_found = its_time == time and its_high == high and its_low == low
      last = middle
    end
  end
  return first, is_found
end

local function replace(key, from, skipped, row)
  local value = call('GET', key) or ''
  value = sub(value, 1, from) .. row .. sub(value, from + skipped + 1)
  if value == '' then
    call('DEL', key)
  else
    call('SET', key, value, 'PX', TTL_MS)
  end
end

local function take_over_earlier(key, from, row, statuses)
  for status = 0, statuses - 1 do
    local at = 32 + 8 * status
    local told, held = sub(row, at + 1, at + 8), call('GETRANGE', key, from + at, from + at + 7)
    if unpack('<i8', told) < unpack('<i8', held) then
      call('SETRANGE', key, from + at, told)
    end
  end
end

local function change(key, width, row, mode, statuses)
  local place, is_found = find(key, width, row)
  if mode == 'remove' then
    if is_found then replace(key, place * width, width, '') end
  elseif mode == 'note' then
    if is_found then take_over_earlier(key, place * width, row, statuses) end
  elseif not is_found then
    replace(key, place * width, 0, row)
  end
end

local function with_earlier(held, told, statuses)
  local parts = {sub(held, 1, 32)}
  for at = 33, 25 + 8 * statuses, 8 do
    local one, other = sub(held, at, at + 7), sub(told, at, at + 7)
    parts[#parts + 1] = unpack('<i8', one) < unpack('<i8', other) and one or other
  end
  parts[#parts + 1] = sub(held, 33 + 8 * statuses)
  return table.concat(parts)
end

-- One pass over what the key holds, however many rows are put in.
local function merge(key, width, rows, statuses)
  local value, parts, done, place = call('GET', key) or '', {}, 0, 0
  for from = 1, #rows, width do
    local row = sub(rows, from, from + width - 1)
    local low, high, time = unpack(HEAD, row)
    local last, is_found = #value / width, false
    while place < last do
      local middle = floor((place + last) / 2)
      local its_low, its_high, its_time = unpack(HEAD, value, middle * width + 1)
      if is_before(its_time, its_high, its_low, time, high, low) then
        place = middle + 1
      else
        is_found = its_time == time and its_high == high and its_low == low
        last = middle
      end
    end
    parts[#parts + 1] = sub(value, done + 1, place * width)
    done = place * width
    if is_found then
      row = with_earlier(sub(value, done + 1, done + width), row, statuses)
      done, place = done + width, place + 1
    end
    parts[#parts + 1] = row
  end
  parts[#parts + 1] = sub(value, done + 1)
  call('SET', key, table.concat(parts), 'PX', TTL_MS)
end

-- Let go of an eighth at a time, so that a row is moved a few times in its life at most. The
-- newest row may yet be taken back, so the one before it says how late it is.
local function trim(key, width)
  local count, let_go = call('STRLEN', key) / width, 0
  while count >= 8 do
    local newest, cut = head_at(key, width, count - 2), floor(count / 8)
    local is_old = newest - head_at(key, width, cut - 1) > REACH_MS
    local is_spare = count - cut >= KEPT
      and newest - head_at(key, width, cut - 1 + KEPT) > LATENESS_MS
    if not (is_old or is_spare or count > CAPACITY) then break end
    if not (is_old or is_spare) then let_go = let_go + cut end
    call('SET', key, call('GETRANGE', key, cut * width, -1), 'PX', TTL_MS)
    count = count - cut
  end
  return let_go
end

local mode = ARGV[#KEYS + 1]
local let_go = 0
for place = 1, #KEYS do
  local key, rows = KEYS[place], ARGV[place]
  local width = tonumber(ARGV[#KEYS + 1 + place]) or #rows
  local is_after = not mode or mode == 'merge'
  if is_after then
    local last = call('GETRANGE', key, FROM[width], TO[width])
    if last ~= '' then
      local low, high, time = unpack(HEAD, rows)
      local last_low, last_high, last_time = unpack(HEAD, last)
      is_after = is_before(last_time, last_high, last_low, time, high, low)
    end
  end
  if is_after then
    local length = call('APPEND', key, rows)
    call('PEXPIRE', key, TTL_MS)
    if floor(length / (8 * width)) > floor((length - #rows) / (8 * width)) then
      let_go = let_go + trim(key, width)
    end
  else
    local statuses = tonumber(ARGV[2 * #KEYS + 1 + place])
    if mode == 'merge' then
      merge(key, width, rows, statuses)
    else
      for from = 1, #rows, width do
        change(key, width, sub(rows, from, from + width - 1), mode, statuses)
      end
    end
    call('PEXPIRE', key, TTL_MS)
    let_go = let_go + trim(key, width)
  end
end
return let_go
