-- The start of every script. The first two keys are always those of the
-- shard's meta and work hashes, the first argument the layout.
--
-- A script that stops half-way is not rolled back. So every script checks all
-- before it writes, and its first write is one that Redis refuses where memory
-- is short, the server is a replica or the disk fails: what Redis lets begin,
-- it lets end.
local META, WORK = KEYS[1], KEYS[2]

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] -- Unix time in µs: exact in a double until 2255

-- A lease, or what is left of one that was given back.
local LEASE = '>BI4I8I8I4c0I4c0I4c0I4c0'
local HEAD = '>BI4I8I8' -- its fixed part
local function pack(held, attempt, expires, token, owner, nonce, progress, reason)
	return struct.pack(LEASE, held, attempt, expires, token,
		#owner, owner, #nonce, nonce, #progress, progress, #reason, reason)
end

-- What is left of a name that was processed: attempt, token, Unix time in s.
local DONE = '>BI7I4'

-- text returns a token as clients have it. The leases of a block mostly have
-- the same.
local lastToken, lastText
local function text(token)
	if token ~= lastToken then
		lastToken, lastText = token, string.format('%.0f', token)
	end
	return lastText
end

local function mismatch(layout)
	return redis.error_reply('UNSPOOLLAYOUT ' .. layout)
end

local meta = redis.call('HMGET', META, 'layout', 'token')
if meta[1] and meta[1] ~= ARGV[1] then return mismatch(meta[1]) end

-- begin is the first write of a script that writes. The long value under no
-- name keeps the work hash from the compact encoding that Redis gives to small
-- hashes: it is slow to change.
local function begin()
	if not meta[1] then
		redis.call('HSET', META, 'layout', ARGV[1])
		redis.call('HSET', WORK, '', string.rep('-', 1024))
	end
end

local function entries(first, step, n)
	local keys = {}
	for i = 1, n do keys[i] = ARGV[first + step * (i - 1)] end
	return keys
end

