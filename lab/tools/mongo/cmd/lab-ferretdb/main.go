// Command lab-ferretdb speaks MongoDB's protocol in front of PostgreSQL with DocumentDB: FerretDB 2, used as a library.
//
// FerretDB's own command cannot be built from its published module (it embeds generated version files that are not in it).
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/v2/ferretdb"
)

func main() {
	if err := run(); err != nil {
		slog.Error("Cannot serve MongoDB's protocol.", "error", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:27017", "address to serve MongoDB's protocol on")
	postgres := flag.String("postgresql-url", "postgres://postgres@127.0.0.1:5432/postgres", "PostgreSQL with the extension documentdb")
	state := flag.String("state", "state", "directory for FerretDB's own state; made when missing")
	flag.Parse()
	if err := os.MkdirAll(*state, 0o700); err != nil {
		return err
	}
	noTelemetry := false
	server, err := ferretdb.New(&ferretdb.Config{
		PostgreSQLURL: *postgres,
		ListenAddr:    *listen,
		StateDir:      *state,
		LogLevel:      slog.LevelWarn,
		LogOutput:     os.Stderr,
		Telemetry:     &noTelemetry,
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server.Run(ctx)
	return nil
}
