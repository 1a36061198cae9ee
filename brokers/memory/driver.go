package memory

import (
	"context"
	"runtime"

	"taskbench/brokers"
)

// Driver is the memory broker: its server runs inside the process of whoever starts it.
var Driver = brokers.Driver{
	Name: "memory",
	Variants: []brokers.Variant{{
		Name:       "default",
		Doc:        "A message lives in the memory of one process and dies with it.",
		Durability: brokers.Memory,
		Promises: []brokers.Promise{
			brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.FIFO, brokers.Priorities,
			brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Exchanges, brokers.Delays,
		},
	}},
	Open: openRemote,
	Wire: func(brokers.Variant) brokers.Wire { return brokers.Wire{Protocol: brokers.TCPMemory} },
	Server: brokers.ServerSpec{
		Product:  "taskbench memory",
		Embedded: startEmbedded,
		URL:      func(addr string) string { return "memory://" + addr },
		Ready:    ready,
	},
}

// ready greets the server, which tells no version of its own: it is part of this binary.
func ready(ctx context.Context, url string) (version string, err error) {
	b, err := openRemote(ctx, url, brokers.Variant{})
	if err != nil {
		return "", err
	}
	return "1 (" + runtime.Version() + ")", b.Close()
}
