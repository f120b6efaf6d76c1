-- KEYS: meta, work, done, then the bucket of each name.
-- ARGV: layout, then name and period of each.
for i = 4, #KEYS do
	local at = 2 * (i - 3)
	if redis.call('HDEL', KEYS[i], ARGV[at]) == 1 then
		redis.call('HINCRBY', KEYS[3], ARGV[at + 1], -1)
	end
end
return 1
