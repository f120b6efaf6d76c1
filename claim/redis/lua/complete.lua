-- KEYS: meta, work, done, then the bucket of each name.
-- ARGV: layout, length of a period and horizon in µs or '', then name, token
-- and period of each lease. Answers the numbers of those that were lost.
local length, horizon = tonumber(ARGV[2]), tonumber(ARGV[3])
local n = #KEYS - 3
local names = entries(4, 3, n)
local work = redis.call('HMGET', WORK, unpack(names))
local seconds = math.floor(now / 1000000)
local lost, over, added, kept = {}, {}, {}, {}
for i, name in ipairs(names) do
	local bucket, claimed, period = KEYS[3 + i], ARGV[3 * i + 2], ARGV[3 * i + 3]
	local held, attempt, token, _
	if work[i] then held, attempt, _, token = struct.unpack(HEAD, work[i]) end
	if held == 1 and text(token) == claimed then
		if #over == 0 then begin() end
		local new = redis.call('HSET', bucket, name, struct.pack(DONE, math.min(attempt, 255), token, seconds))
		over[#over + 1] = name
		added[period] = (added[period] or 0) + new
		-- Names of a period are all older than the horizon once it and the
		-- period have passed. A completion must still be repeatable then.
		if period ~= '' and not kept[bucket] then
			kept[bucket] = true
			local expires = math.max((tonumber(period) + 1) * length + horizon, now + 3600000000)
			redis.call('PEXPIREAT', bucket, string.format('%.0f', math.ceil(expires / 1000)))
		end
	else
		local done = redis.call('HGET', bucket, name)
		if done then _, token = struct.unpack(DONE, done) end
		if not done or text(token) ~= claimed then lost[#lost + 1] = i end
	end
end
if #over > 0 then redis.call('HDEL', WORK, unpack(over)) end
for period, count in pairs(added) do
	if count > 0 and redis.call('HINCRBY', KEYS[3], period, count) == count and period ~= '' then
		-- A new period has begun: forget those whose names have expired.
		for _, old in ipairs(redis.call('HKEYS', KEYS[3])) do
			if old ~= '' and (tonumber(old) + 1) * length + horizon < now - 3600000000 then
				redis.call('HDEL', KEYS[3], old)
			end
		end
	end
end
return lost
