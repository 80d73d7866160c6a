-- wrk: sends prepared orders in turn, each time with a new id and a later time, because an order
-- whose id came before is answered from the journal.
-- Arguments: file of order tails, prefix of the ids, first time (epoch seconds), step (seconds);
-- or only a file of whole bodies, which are sent in turn as they are.

local tails, prefix, first, step = {}, nil, 0, 1
local sent = 0

function init(args)
  for line in io.lines(args[1]) do
    tails[#tails + 1] = line
  end
  prefix, first, step = args[2], tonumber(args[3]), tonumber(args[4])
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
end

function request()
  local tail = tails[sent % #tails + 1]
  if prefix == nil then
    sent = sent + 1
    return wrk.format(nil, nil, nil, tail)
  end
  local time = os.date("!%Y-%m-%dT%H:%M:%SZ", first + sent * step)
  local head = '{"transaction_id":"' .. prefix .. sent .. '","event_time":"' .. time .. '"'
  sent = sent + 1
  return wrk.format(nil, nil, nil, head .. tail)
end

function done(summary, latency, requests)
  local counts = {}
  for index = 1, #latency do
    local value, count = latency(index)
    counts[index] = "[" .. value .. "," .. count .. "]"
  end
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format('{"requests":%d,"failed":%d,"duration_us":%d,"latency_us":[%s]}',
    summary.requests, failed, summary.duration, table.concat(counts, ",")))
end
