package redis

import (
	_ "embed" // the scripts are files

	"github.com/redis/go-redis/v9"
)

//go:embed lua/prelude.lua
var prelude string

var (
	//go:embed lua/open.lua
	openLua string
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/extend.lua
	extendLua string
	//go:embed lua/complete.lua
	completeLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/inspect.lua
	inspectLua string
	//go:embed lua/scan.lua
	scanLua string
	//go:embed lua/periods.lua
	periodsLua string
	//go:embed lua/forget.lua
	forgetLua string
)

var (
	openScript     = redis.NewScript(openLua) // of no shard
	claimScript    = redis.NewScript(prelude + claimLua)
	extendScript   = redis.NewScript(prelude + extendLua)
	completeScript = redis.NewScript(prelude + completeLua)
	releaseScript  = redis.NewScript(prelude + releaseLua)
	inspectScript  = redis.NewScript(prelude + inspectLua)
	scanScript     = redis.NewScript(prelude + scanLua)
	periodsScript  = redis.NewScript(prelude + periodsLua)
	forgetScript   = redis.NewScript(prelude + forgetLua)
)
