-- KEYS: meta, work, then the bucket of each name.
-- ARGV: layout, horizon in µs or '', then name and time in µs, or '', of each.
-- Answers for each 0 (nothing known), 1 (older than the horizon), {attempt,
-- token, s} (done) or {held, attempt, expires, token, owner, progress, reason}.
local horizon = tonumber(ARGV[2])
local names = entries(3, 2, #KEYS - 2)
local work = redis.call('HMGET', WORK, unpack(names))
local answer = {}
for i, name in ipairs(names) do
	local done = redis.call('HGET', KEYS[2 + i], name)
	local born = horizon and tonumber(ARGV[2 + 2 * i])
	if done then
		local attempt, token, at = struct.unpack(DONE, done)
		answer[i] = { attempt, token, at }
	elseif work[i] then
		local held, attempt, ends, token, owner, _, progress, reason = struct.unpack(LEASE, work[i])
		answer[i] = { held, attempt, ends, token, owner, progress, reason }
	else
		answer[i] = born and born < now - horizon and 1 or 0
	end
end
return answer
