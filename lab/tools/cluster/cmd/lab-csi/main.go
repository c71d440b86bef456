// Command lab-csi is a small, real CSI driver for one node: volumes are directories, snapshots are copies of them.
//
// It exists so that Velero's snapshot and data-movement paths run for real without a storage system. It runs on the host beside
// the kubelet and registers itself there; csi-provisioner and csi-snapshotter talk to the same socket.
// Source: the CSI specification 1.12, https://github.com/container-storage-interface/spec/blob/master/spec.md
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const version = "1.0.0"

type options struct {
	name, node, root, kubeletDir, socket string
}

func main() {
	options := parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, options); err != nil {
		slog.Error("Cannot serve the CSI driver.", "socket", options.socket, "error", err)
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.StringVar(&o.name, "name", "csi.lab.local", "name of the driver, as StorageClasses spell it")
	flag.StringVar(&o.node, "node", "lab", "name of the node this driver runs on")
	flag.StringVar(&o.root, "root", "/var/lib/lab-csi", "directory that holds the volumes and snapshots")
	flag.StringVar(&o.kubeletDir, "kubelet-dir", "/var/lib/kubelet", "the kubelet's root directory; empty: do not register")
	flag.StringVar(&o.socket, "socket", "", "the CSI socket (default KUBELET-DIR/plugins/NAME/csi.sock)")
	flag.Parse()
	if o.socket == "" {
		o.socket = filepath.Join(o.kubeletDir, "plugins", o.name, "csi.sock")
	}
	return o
}

func run(ctx context.Context, o options) error {
	store, err := openStore(o.root)
	if err != nil {
		return err
	}
	place := topology{driver: o.name, node: o.node}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return serve(ctx, o.socket, func(s *grpc.Server) {
			csi.RegisterIdentityServer(s, &identity{name: o.name})
			csi.RegisterControllerServer(s, &controller{store: store, topology: place})
			csi.RegisterNodeServer(s, &node{store: store, topology: place})
		})
	})
	if o.kubeletDir != "" {
		group.Go(func() error {
			socket := filepath.Join(o.kubeletDir, "plugins_registry", o.name+"-reg.sock")
			return serve(ctx, socket, func(s *grpc.Server) {
				registration.RegisterRegistrationServer(s, &registrar{name: o.name, socket: o.socket})
			})
		})
	}
	return group.Wait()
}
