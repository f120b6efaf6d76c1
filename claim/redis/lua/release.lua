-- KEYS: meta, work, back. ARGV: layout, how long a release is remembered in µs,
-- then name, token, '1' where the attempt counts, delay in µs, progress and
-- reason of each lease. Answers the numbers of those that were lost.
local n = (#ARGV - 2) / 6
local work = redis.call('HMGET', WORK, unpack(entries(3, 6, n)))
local lost, writes, back, seen = {}, {}, {}, {}
for i = 1, n do
	local at = 6 * i - 3
	local name = ARGV[at]
	local held, attempt, token, owner, nonce, _
	if work[i] then
		held, attempt, _, token, owner, nonce = struct.unpack(LEASE, work[i])
	end
	if not token or text(token) ~= ARGV[at + 1] then
		lost[#lost + 1] = i
	elseif held == 1 and not seen[name] then
		seen[name] = true
		if ARGV[at + 2] ~= '1' then attempt = math.max(0, attempt - 1) end
		local ends = now + tonumber(ARGV[at + 3])
		writes[#writes + 1] = name
		writes[#writes + 1] = pack(0, attempt, ends, token, owner, nonce, ARGV[at + 4], ARGV[at + 5])
		if attempt == 0 and ARGV[at + 4] == '' and ARGV[at + 5] == '' then
			back[#back + 1] = text(ends + tonumber(ARGV[2]))
			back[#back + 1] = name
		end
	end
end
if #writes > 0 then
	begin()
	redis.call('HSET', WORK, unpack(writes))
	if #back > 0 then redis.call('ZADD', KEYS[3], unpack(back)) end
end
return lost
