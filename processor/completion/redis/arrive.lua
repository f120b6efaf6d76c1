-- KEYS: the hash of the set, its arrivals. ARGV: for how many ms to keep them, then
-- key, objects and records of each arrival. Returns how many were new.
--
-- The first write is one that Redis refuses where memory is short, the server is a
-- replica or the disk fails; what it lets begin, it lets end.
local new, objects, records = 0, 0, 0
for i = 2, #ARGV, 3 do
	if redis.call('SADD', KEYS[2], ARGV[i]) == 1 then
		new = new + 1
		objects = objects + ARGV[i + 1]
		records = records + ARGV[i + 2]
	end
end
if new > 0 then
	-- Exact up to 2^53 a call.
	redis.call('HINCRBY', KEYS[1], 'n', new)
	redis.call('HINCRBY', KEYS[1], 'o', string.format('%.0f', objects))
	redis.call('HINCRBY', KEYS[1], 'r', string.format('%.0f', records))
	redis.call('PEXPIRE', KEYS[1], ARGV[1])
	redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return new
