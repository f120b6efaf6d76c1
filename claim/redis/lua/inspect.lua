-- KEYS: meta, work, then the bucket of each name.
-- ARGV: layout, horizon in µs or '', then name and time in µs, or '', of each.
-- Answers for each 0 (nothing known), 1 (older than the horizon), or what is noted
-- of it, as it is: what is left of a processed name, or a lease.
local horizon = tonumber(ARGV[2])
local names = entries(3, 2, #KEYS - 2)
local work = redis.call('HMGET', WORK, unpack(names))
local answer = {}
for i, name in ipairs(names) do
	local known = redis.call('HGET', KEYS[2 + i], name) or work[i]
	if not known then
		local born = horizon and tonumber(ARGV[2 + 2 * i])
		known = born and born < now - horizon and 1 or 0
	end
	answer[i] = known
end
return answer
