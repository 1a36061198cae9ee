package redis

import (
	"embed"
	"slices"

	"taskbench/brokers/redis/due"
	"taskbench/brokers/redis/link"
)

//go:embed lua/*.lua
var sources embed.FS

// Each script is one atomic step of a message's life; the comment at its top says which.
var (
	own     = link.ReadScripts(sources)
	scripts = slices.Concat(due.Scripts(), own.All())

	claimScript   = own.Named("claim")
	ackScript     = own.Named("ack")
	moveScript    = own.Named("move")
	restoreScript = own.Named("restore")
	renewScript   = own.Named("renew")
	retireScript  = own.Named("retire")
	heldScript    = own.Named("held")
)
