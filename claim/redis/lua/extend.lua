-- KEYS: meta, work. ARGV: layout, ttl in µs, then name, token and progress of
-- each lease. Answers the numbers of those that were lost.
local expires = now + tonumber(ARGV[2])
local n = (#ARGV - 2) / 3
local work = redis.call('HMGET', WORK, unpack(entries(3, 3, n)))
local lost, writes = {}, {}
for i = 1, n do
	local at = 3 * i
	local _, held, attempt, token, owner, nonce, reason, _
	if work[i] then
		held, attempt, _, token, owner, nonce, _, reason = struct.unpack(LEASE, work[i])
	end
	if held == 1 and text(token) == ARGV[at + 1] then
		writes[#writes + 1] = ARGV[at]
		writes[#writes + 1] = pack(1, attempt, expires, token, owner, nonce, ARGV[at + 2], reason)
	else
		lost[#lost + 1] = i
	end
end
if #writes > 0 then
	begin()
	redis.call('HSET', WORK, unpack(writes))
end
return lost
