-- KEYS: where the layout of the whole store is noted. ARGV: the layout of the
-- caller. Notes it where none is.
--
-- Every other script checks the layout too, but only in its own shard: stores
-- of other numbers of shards have theirs elsewhere.
local layout = redis.call('GET', KEYS[1])
if not layout then
	redis.call('SET', KEYS[1], ARGV[1])
elseif layout ~= ARGV[1] then
	return redis.error_reply('UNSPOOLLAYOUT ' .. layout)
end
return 1
