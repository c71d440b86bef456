// CSI's controller service, volumes: create (empty, from a snapshot, from a volume), delete, validate.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// minimumSizeBytes is what a volume is said to hold when nobody asks for a size; directories have no limit of their own.
const minimumSizeBytes = 1 << 20

type controller struct {
	csi.UnimplementedControllerServer
	store    *store
	topology topology
}

func (c *controller) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, call := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
	} {
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: call}},
		})
	}
	return response, nil
}

func (c *controller) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if request.GetName() == "" {
		return nil, missing("name")
	}
	if reason := unsupported(request.GetVolumeCapabilities()); reason != "" {
		return nil, status.Error(codes.InvalidArgument, reason)
	}
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	volume, err := c.obtainVolume(request)
	if err != nil {
		return nil, asStatus(err)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId:           volume.ID,
		CapacityBytes:      volume.SizeBytes,
		ContentSource:      request.GetVolumeContentSource(),
		AccessibleTopology: []*csi.Topology{c.topology.here()},
	}}, nil
}

// obtainVolume finds the volume of this name, or makes it.
func (c *controller) obtainVolume(request *csi.CreateVolumeRequest) (record, error) {
	id := identify("vol", request.GetName())
	existing, err := c.store.find(volumes, id)
	if err == nil {
		if !fits(existing.SizeBytes, request.GetCapacityRange()) {
			return existing, status.Errorf(codes.AlreadyExists, "volume %q exists with another size", request.GetName())
		}
		return existing, nil
	} else if !errors.Is(err, errNotFound) {
		return existing, err
	}
	source, origin, err := c.contentSource(request.GetVolumeContentSource())
	if err != nil {
		return source, err
	}
	volume := record{
		ID:        id,
		Name:      request.GetName(),
		SourceID:  source.ID,
		SizeBytes: max(request.GetCapacityRange().GetRequiredBytes(), source.SizeBytes, minimumSizeBytes),
		CreatedAt: time.Now().UTC(),
	}
	if limit := request.GetCapacityRange().GetLimitBytes(); limit > 0 && volume.SizeBytes > limit {
		return volume, status.Errorf(codes.OutOfRange, "volume %q needs %d bytes, the limit is %d", volume.Name, volume.SizeBytes, limit)
	}
	return volume, c.store.create(volumes, volume, origin)
}

// contentSource returns what a volume is to be filled from and the directory that holds it; nothing for an empty volume.
func (c *controller) contentSource(source *csi.VolumeContentSource) (record, string, error) {
	var from kind
	var id string
	switch {
	case source.GetSnapshot() != nil:
		from, id = snapshots, source.GetSnapshot().GetSnapshotId()
	case source.GetVolume() != nil:
		from, id = volumes, source.GetVolume().GetVolumeId()
	default:
		return record{}, "", nil
	}
	found, err := c.store.find(from, id)
	return found, c.store.data(from, id), err
}

func (c *controller) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, missing("volume id")
	}
	return &csi.DeleteVolumeResponse{}, asStatus(c.store.remove(volumes, request.GetVolumeId()))
}

func (c *controller) ValidateVolumeCapabilities(
	_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest,
) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, missing("volume id")
	}
	if len(request.GetVolumeCapabilities()) == 0 {
		return nil, missing("volume capabilities")
	}
	if _, err := c.store.find(volumes, request.GetVolumeId()); err != nil {
		return nil, asStatus(err)
	}
	if reason := unsupported(request.GetVolumeCapabilities()); reason != "" {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: reason}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext:      request.GetVolumeContext(),
		VolumeCapabilities: request.GetVolumeCapabilities(),
		Parameters:         request.GetParameters(),
	}}, nil
}

func fits(sizeBytes int64, wanted *csi.CapacityRange) bool {
	limit := wanted.GetLimitBytes()
	return sizeBytes >= wanted.GetRequiredBytes() && (limit == 0 || sizeBytes <= limit)
}

// unsupported says in words which capability cannot be served, or nothing.
func unsupported(capabilities []*csi.VolumeCapability) string {
	if len(capabilities) == 0 {
		return "volume capabilities are missing"
	}
	for _, capability := range capabilities {
		if capability.GetMount() == nil {
			return "only file-system volumes are supported"
		}
	}
	return ""
}
