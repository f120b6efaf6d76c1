-- KEYS: meta, work. ARGV: layout, cursor, how many to look at, grace in µs, or
-- '' where no entries are wanted. Answers the next cursor, the numbers of
-- leases that live and that expired and of names that wait, and name, attempt,
-- expires, token, owner, progress and reason of each lease that expired at
-- least grace ago.
local grace = tonumber(ARGV[4])
local page = redis.call('HSCAN', WORK, ARGV[2], 'COUNT', ARGV[3])
local live, expired, waiting, found = 0, 0, 0, {}
for i = 1, #page[2], 2 do
	local held, attempt, ends, token, owner, progress, reason, _
	if page[2][i] ~= '' then
		held, attempt, ends, token, owner, _, progress, reason = struct.unpack(LEASE, page[2][i + 1])
	end
	if not held then
		-- what begin writes
	elseif held == 1 and ends > now then
		live = live + 1
	elseif held == 1 then
		expired = expired + 1
		if grace and ends <= now - grace then
			found[#found + 1] = { page[2][i], attempt, ends, token, owner, progress, reason }
		end
	elseif attempt > 0 or ends > now or progress ~= '' or reason ~= '' then
		waiting = waiting + 1
	end
end
return { page[1], live, expired, waiting, found }
