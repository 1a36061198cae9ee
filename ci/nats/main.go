// Command nats is nats-server, in the version that the tests of brokers/nats have, as a static binary for a container image:
// Debian's is of 2022, and knows no sync_interval.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nats-server:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("nats-server", flag.ExitOnError)
	version := func() {
		fmt.Println("nats-server: v" + server.VERSION)
		os.Exit(0)
	}
	options, err := server.ConfigureOptions(flags, args, version, flags.Usage, flags.Usage)
	if err != nil {
		return err
	}
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}
