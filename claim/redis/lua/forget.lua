-- KEYS: meta, work, done, then the bucket of each name.
-- ARGV: layout, then name and period of each.
local gone = {} -- names, by period
for i = 4, #KEYS do
	local name, period = ARGV[2 * i - 6], ARGV[2 * i - 5]
	if redis.call('HDEL', KEYS[i], name) == 1 then
		gone[period] = (gone[period] or 0) + 1
	end
end
for period, n in pairs(gone) do
	redis.call('HINCRBY', KEYS[3], period, -n)
end
return 1
