// Serving gRPC on a UNIX socket until the context ends, with one log line per call.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
)

func serve(ctx context.Context, socket string, register func(*grpc.Server)) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return err
	}
	// A driver that was killed leaves its socket behind, and binding to an existing one fails.
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(logged))
	register(server)
	defer context.AfterFunc(ctx, server.GracefulStop)()
	slog.Info("Serving.", "socket", socket)
	return server.Serve(listener)
}

func logged(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	started := time.Now()
	response, err := handle(ctx, request)
	switch {
	case err != nil:
		slog.Warn("Call refused.", "method", info.FullMethod, "took", time.Since(started), "error", err)
	case !strings.HasSuffix(info.FullMethod, "/Probe"):
		slog.Info("Call served.", "method", info.FullMethod, "took", time.Since(started))
	}
	return response, err
}
