-- KEYS: meta, work, back, then the bucket of each name.
-- ARGV: layout, owner, nonce, ttl in µs, horizon in µs or '', then each name,
-- followed by its time in µs, or '', where there is a horizon.
-- Answers the token of this call, then for each name 1 (granted under it, as
-- attempt 1 without progress), {token, attempt, progress}, 2 (held), 3 (done)
-- or 4 (older than the horizon).
local owner, nonce, ttl, horizon = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local step = horizon and 2 or 1
local names = entries(6, step, #KEYS - 3)
local work = redis.call('HMGET', WORK, unpack(names))

-- Tokens are times, so that none comes again even where the store lost its
-- last seconds; and they rise, so that none comes twice.
local token = math.max(now, (tonumber(meta[2]) or 0) + 1)
local expires = now + ttl
local fresh -- the entry of a name that nobody has claimed

-- taken reports whether the lease of an entry lasts, and is not of this very call.
-- Those of a block have the same.
local seen, seenTaken
local function taken(entry)
	if entry ~= seen then
		local held, _, ends, _, _, used = struct.unpack(LEASE, entry)
		seen, seenTaken = entry, ends > now and not (held == 1 and used == nonce)
	end
	return seenTaken
end

local answer, writes, granted = { text(token) }, {}, false
for i, name in ipairs(names) do
	local entry = work[i]
	if entry and taken(entry) then -- and so it is not done
		answer[i + 1] = 2
	elseif redis.call('HEXISTS', KEYS[3 + i], name) == 1 then
		answer[i + 1] = 3
	elseif not entry then
		local born = horizon and tonumber(ARGV[5 + step * i])
		if born and born < now - horizon then
			answer[i + 1] = 4
		else
			fresh = fresh or pack(1, 1, expires, token, owner, nonce, '', '')
			writes[#writes + 1] = name
			writes[#writes + 1] = fresh
			granted = true
			answer[i + 1] = 1
		end
	else
		local held, attempt, _, old, was, used, progress, reason = struct.unpack(LEASE, entry)
		if not (held == 1 and used == nonce) then
			granted = true
			old, was = token, owner
			attempt = math.min(attempt + 1, 0x7fffffff)
		end
		writes[#writes + 1] = name
		writes[#writes + 1] = pack(1, attempt, expires, old, was, nonce, progress, reason)
		answer[i + 1] = { text(old), attempt, progress }
	end
end
if #writes > 0 then
	begin()
	if granted then redis.call('HSET', META, 'token', text(token)) end
	redis.call('HSET', WORK, unpack(writes))
end

-- Names that were given back with nothing to remember are kept for a while, so
-- that the release can be repeated. Whoever claims clears away what is over.
local over = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 64)
if #over > 0 then
	local blank = {}
	for i, entry in ipairs(redis.call('HMGET', WORK, unpack(over))) do
		if entry then
			local held, attempt, ends, _, _, _, progress, reason = struct.unpack(LEASE, entry)
			if held == 0 and attempt == 0 and ends <= now and progress == '' and reason == '' then
				blank[#blank + 1] = over[i]
			end
		end
	end
	redis.call('ZREM', KEYS[3], unpack(over))
	if #blank > 0 then redis.call('HDEL', WORK, unpack(blank)) end
end
return answer
