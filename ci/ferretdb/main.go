// Command ferretdb serves MongoDB's protocol at an address, from SQLite files in a directory: the server of tests and
// labs where MongoDB itself cannot be had. It is FerretDB, before which writes take turns.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/FerretDB/FerretDB/build/version"
	"github.com/FerretDB/FerretDB/ferretdb"

	"taskbench/ci/ferretdb/turns"
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
	if err := serve(ctx, flag.Arg(0), flag.Arg(1), *synchronous); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// serve returns when ctx ends, or with what went wrong.
func serve(ctx context.Context, addr, dir, synchronous string) error {
	nameVersion()
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: fmt.Sprintf("file:%s/?_pragma=synchronous(%s)", filepath.Clean(dir), synchronous),
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- server.Run(ctx) }()
	within, err := url.Parse(server.MongoDBURI()) // it listens since it was made
	if err != nil {
		return err
	}
	go func() { ended <- turns.New(within.Host).Serve(listener) }()
	return <-ended
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
