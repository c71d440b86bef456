// CSI's controller service, snapshots: create, delete, list.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (c *controller) CreateSnapshot(
	_ context.Context, request *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	if request.GetName() == "" {
		return nil, missing("name")
	}
	if request.GetSourceVolumeId() == "" {
		return nil, missing("source volume id")
	}
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	snapshot, err := c.obtainSnapshot(request.GetName(), request.GetSourceVolumeId())
	if err != nil {
		return nil, asStatus(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: wireSnapshot(snapshot)}, nil
}

// obtainSnapshot finds the snapshot of this name, or takes it. The copy is not atomic across files: as with any crash-consistent
// snapshot, a program that needs more freezes itself first (Velero's hooks).
func (c *controller) obtainSnapshot(name, volumeID string) (record, error) {
	id := identify("snap", name)
	existing, err := c.store.find(snapshots, id)
	if err == nil {
		if existing.SourceID != volumeID {
			return existing, status.Errorf(codes.AlreadyExists, "snapshot %q exists, of volume %q", name, existing.SourceID)
		}
		return existing, nil
	} else if !errors.Is(err, errNotFound) {
		return existing, err
	}
	volume, err := c.store.find(volumes, volumeID)
	if err != nil {
		return volume, err
	}
	snapshot := record{ID: id, Name: name, SourceID: volume.ID, SizeBytes: volume.SizeBytes, CreatedAt: time.Now().UTC()}
	return snapshot, c.store.create(snapshots, snapshot, c.store.data(volumes, volume.ID))
}

func (c *controller) DeleteSnapshot(
	_ context.Context, request *csi.DeleteSnapshotRequest,
) (*csi.DeleteSnapshotResponse, error) {
	if request.GetSnapshotId() == "" {
		return nil, missing("snapshot id")
	}
	return &csi.DeleteSnapshotResponse{}, asStatus(c.store.remove(snapshots, request.GetSnapshotId()))
}

// ListSnapshots pages by id: the token is the id that the next page starts with, so it survives deletions in between.
func (c *controller) ListSnapshots(
	_ context.Context, request *csi.ListSnapshotsRequest,
) (*csi.ListSnapshotsResponse, error) {
	all, err := c.store.list(snapshots)
	if err != nil {
		return nil, asStatus(err)
	}
	response := &csi.ListSnapshotsResponse{}
	for _, snapshot := range all {
		if snapshot.ID < request.GetStartingToken() || !matches(snapshot, request) {
			continue
		}
		if most := int(request.GetMaxEntries()); most > 0 && len(response.Entries) == most {
			response.NextToken = snapshot.ID
			break
		}
		response.Entries = append(response.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: wireSnapshot(snapshot)})
	}
	return response, nil
}

func matches(snapshot record, request *csi.ListSnapshotsRequest) bool {
	id, volumeID := request.GetSnapshotId(), request.GetSourceVolumeId()
	return (id == "" || id == snapshot.ID) && (volumeID == "" || volumeID == snapshot.SourceID)
}

func wireSnapshot(snapshot record) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId:     snapshot.ID,
		SourceVolumeId: snapshot.SourceID,
		SizeBytes:      snapshot.SizeBytes,
		CreationTime:   timestamppb.New(snapshot.CreatedAt),
		ReadyToUse:     true,
	}
}
