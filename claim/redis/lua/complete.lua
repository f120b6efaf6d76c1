-- KEYS: meta, work, done, then the bucket of each name.
-- ARGV: layout, length of a period and horizon in µs or '', then name, token
-- and period of each lease. Answers the numbers of those that were lost.
local length, horizon = tonumber(ARGV[2]), tonumber(ARGV[3])
local n = #KEYS - 3
local names = entries(4, 3, n)
local work = redis.call('HMGET', WORK, unpack(names))
local seconds = math.floor(now / 1000000)
local lost, over, added, kept = {}, {}, {}, {}

-- The entries of a block mostly are the same, and so is what becomes of them.
local seen, held, attempt, token, done
local function read(entry)
	if entry == seen then return end
	seen, held = entry, 0
	if not entry then return end
	local _
	held, attempt, _, token = struct.unpack(HEAD, entry)
	done = struct.pack(DONE, math.min(attempt, 255), token, seconds)
end

for i, name in ipairs(names) do
	local bucket, claimed, period = KEYS[3 + i], ARGV[3 * i + 2], ARGV[3 * i + 3]
	read(work[i])
	if held == 1 and text(token) == claimed then
		if #over == 0 then begin() end
		local new = redis.call('HSET', bucket, name, done)
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
		local _, by
		local before = redis.call('HGET', bucket, name)
		if before then _, by = struct.unpack(DONE, before) end
		if not before or text(by) ~= claimed then lost[#lost + 1] = i end
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
