-- For those who keep prometheus-redis-exporter: its -script flag exports each number of INFO stock,
-- and what the hottest keys of the last minute add up to, as redis_script_values{key="stock_…"}.
-- The user needs +eval +info +stock.top. deploy/prometheus/redis-exporter.yml gives these figures
-- the names that rules.yml and the dashboards use.
local out = {}
local function add(name, value)
  out[#out + 1] = name
  out[#out + 1] = tostring(value)
end
for name, value in string.gmatch(redis.call('INFO', 'stock'), '(stock_[%w_]+):([^\r\n]+)') do
  -- The version is no number.
  if tonumber(value) then
    add(name, value)
  end
end
-- Keys that nobody made, and that the shop asks for all the same.
local unknown_calls = 0
for _, hot in ipairs(redis.call('STOCK.TOP', 'COUNT', 384)) do
  local map = {}
  for at = 1, #hot, 2 do
    map[hot[at]] = hot[at + 1]
  end
  if map.exists == 0 then
    unknown_calls = unknown_calls + map.calls
  end
end
add('stock_unknown_key_calls', unknown_calls)
return out
