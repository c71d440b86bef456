// CSI's node service: a volume is published by a bind mount of its directory.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

type node struct {
	csi.UnimplementedNodeServer
	store    *store
	topology topology
}

func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.topology.node, AccessibleTopology: n.topology.here()}, nil
}

func (n *node) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (n *node) NodePublishVolume(
	_ context.Context, request *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	switch {
	case request.GetVolumeId() == "":
		return nil, missing("volume id")
	case request.GetTargetPath() == "":
		return nil, missing("target path")
	case request.GetVolumeCapability() == nil:
		return nil, missing("volume capability")
	}
	volume, err := n.store.find(volumes, request.GetVolumeId())
	if err != nil {
		return nil, asStatus(err)
	}
	err = bind(n.store.data(volumes, volume.ID), request.GetTargetPath(), request.GetReadonly())
	return &csi.NodePublishVolumeResponse{}, asStatus(err)
}

func (n *node) NodeUnpublishVolume(
	_ context.Context, request *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	switch {
	case request.GetVolumeId() == "":
		return nil, missing("volume id")
	case request.GetTargetPath() == "":
		return nil, missing("target path")
	}
	return &csi.NodeUnpublishVolumeResponse{}, asStatus(unbind(request.GetTargetPath()))
}

// bind mounts a directory on target; a target that is mounted already is left as it is.
func bind(source, target string, readOnly bool) error {
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	mounted, err := mountinfo.Mounted(target)
	if err != nil || mounted {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	// Linux ignores MS_RDONLY on the first bind mount: it takes a second call.
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return errors.Join(err, unix.Unmount(target, 0))
	}
	return nil
}

// unbind undoes bind; a target that is gone is done.
func unbind(target string) error {
	mounted, err := mountinfo.Mounted(target)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if mounted {
		if err := unix.Unmount(target, 0); err != nil {
			return err
		}
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
