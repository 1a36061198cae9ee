package redis

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
	//go:embed lua/move.lua
	moveSource string
	//go:embed lua/restore.lua
	restoreSource string
	//go:embed lua/renew.lua
	renewSource string
	//go:embed lua/retire.lua
	retireSource string
	//go:embed lua/held.lua
	heldSource string

	claimScript   = link.NewScript(claimSource)
	ackScript     = link.NewScript(ackSource)
	moveScript    = link.NewScript(moveSource)
	restoreScript = link.NewScript(restoreSource)
	renewScript   = link.NewScript(renewSource)
	retireScript  = link.NewScript(retireSource)
	heldScript    = link.NewScript(heldSource)

	scripts = slices.Concat(due.Scripts(), []link.Script{
		claimScript, ackScript, moveScript, restoreScript, renewScript, retireScript, heldScript,
	})
)
