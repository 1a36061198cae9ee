package stream

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

	claimScript  = own.Named("claim")
	ackScript    = own.Named("ack")
	returnScript = own.Named("return")
	rejectScript = own.Named("reject")
	renewScript  = own.Named("renew")
	buryScript   = own.Named("bury")
	straysScript = own.Named("strays")
	retireScript = own.Named("retire")
	depthScript  = own.Named("depth")
	purgeScript  = own.Named("purge")
)
