-- For wrk: counts what wrk itself does not, the answers that are not 2xx (to wrk a redirect is a
-- success), and ends with one line of JSON. Each thread has its own Lua, so done() collects.
--
-- wrk ... -s load.lua ... URL -- MS    each visitor waits for MS milliseconds before the next request
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(arguments)
   refused = {}
   local pause = tonumber(arguments[1])
   if pause and pause > 0 then
      function delay() return pause end
   end
end

function response(status, _, _)
   if status < 200 or status > 299 then
      refused[status] = (refused[status] or 0) + 1
   end
end

function done(summary, latency, _)
   local statuses = {}
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("refused")) do
         statuses[status] = (statuses[status] or 0) + count
      end
   end
   local pairs_ = {}
   for status, count in pairs(statuses) do
      table.insert(pairs_, string.format('"%d": %d', status, count))
   end
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %.3f, "statuses": {%s}, "connect": %d, "read": %d, "write": %d, ' ..
      '"timeout": %d, "p99": %.4f, "slowest": %.4f}\n',
      summary.requests, summary.duration / 1e6, table.concat(pairs_, ", "),
      errors.connect, errors.read, errors.write, errors.timeout,
      latency:percentile(99) / 1e6, latency.max / 1e6))
end
