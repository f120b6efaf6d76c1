-- KEYS: meta, work, done. ARGV: layout, length of a period and horizon in µs or
-- ''. Answers each period that has names, and the number of names.
local length, horizon = tonumber(ARGV[2]), tonumber(ARGV[3])
local answer = {}
local all = redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
	local period = all[i]
	if period == '' or (tonumber(period) + 1) * length + horizon > now then
		answer[#answer + 1] = { period, tonumber(all[i + 1]) }
	end
end
return answer
