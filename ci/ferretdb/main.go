// Command ferretdb serves MongoDB's protocol at an address, from SQLite files in a directory: the server of tests and
// labs where MongoDB itself cannot be had.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/FerretDB/FerretDB/build/version"
	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	synchronous := flag.String("synchronous", "off", "when SQLite waits for the disk: off, normal or full; only full outlives a power cut")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: ferretdb [-synchronous off|normal|full] HOST:PORT DIRECTORY")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 || !slices.Contains([]string{"off", "normal", "full"}, *synchronous) {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	nameVersion()
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: flag.Arg(0)},
		Handler:   "sqlite",
		SQLiteURL: fmt.Sprintf("file:%s/?_pragma=synchronous(%s)", filepath.Clean(flag.Arg(1)), *synchronous),
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err == nil {
		err = server.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// nameVersion has the server tell its clients which FerretDB it is, which it knows by itself only as its own program.
func nameVersion() {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/FerretDB/FerretDB" {
			version.Get().Version = m.Version
		}
	}
}
