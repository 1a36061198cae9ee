package stream

import (
	_ "embed" // the scripts
	"slices"

	"taskbench/brokers/redis/due"
	"taskbench/brokers/redis/link"
)

// Each script is one atomic step of a message's life; the comment at its top says which.
var (
	//go:embed lua/claim.lua
	claimSource string
	//go:embed lua/ack.lua
	ackSource string
	//go:embed lua/return.lua
	returnSource string
	//go:embed lua/reject.lua
	rejectSource string
	//go:embed lua/renew.lua
	renewSource string
	//go:embed lua/bury.lua
	burySource string
	//go:embed lua/strays.lua
	straysSource string
	//go:embed lua/retire.lua
	retireSource string
	//go:embed lua/depth.lua
	depthSource string
	//go:embed lua/purge.lua
	purgeSource string

	claimScript  = link.NewScript(claimSource)
	ackScript    = link.NewScript(ackSource)
	returnScript = link.NewScript(returnSource)
	rejectScript = link.NewScript(rejectSource)
	renewScript  = link.NewScript(renewSource)
	buryScript   = link.NewScript(burySource)
	straysScript = link.NewScript(straysSource)
	retireScript = link.NewScript(retireSource)
	depthScript  = link.NewScript(depthSource)
	purgeScript  = link.NewScript(purgeSource)

	scripts = slices.Concat(due.Scripts(), []link.Script{
		claimScript, ackScript, returnScript, rejectScript, renewScript, buryScript, straysScript, retireScript, depthScript, purgeScript,
	})
)
