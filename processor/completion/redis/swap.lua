-- KEYS: the hash of the set, its arrivals. ARGV: for how many ms to keep them, the
-- edition that there must be, the number of arrivals that there must be, or -1, and
-- the new status. Returns 1 where it was swapped.
local have = redis.call('HMGET', KEYS[1], 'v', 'n')
if (have[1] or '0') ~= ARGV[2] then return 0 end
if ARGV[3] ~= '-1' and (have[2] or '0') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 's', ARGV[4])
redis.call('HINCRBY', KEYS[1], 'v', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
