// The store keeps volumes and snapshots as directories: <root>/<kind>/<id>/{record.json,data/}.
//
// Everything the driver knows is in these directories, so a restart loses nothing. An item is made under a hidden name and renamed
// when it is complete: a crash leaves no half-made volume, and an item that can be seen can be used.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type kind string

const (
	volumes   kind = "volumes"
	snapshots kind = "snapshots"
)

var errNotFound = errors.New("not found")

// record is what is remembered of a volume or a snapshot beside its data.
type record struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	SourceID  string    `json:"sourceId,omitempty"` // a snapshot's volume; a restored or cloned volume's origin
	SizeBytes int64     `json:"sizeBytes"`
	CreatedAt time.Time `json:"createdAt"`
}

type store struct {
	root string
	// mutex makes look-up-then-create one step; the sidecars retry, so calls are few and short but can overlap.
	mutex sync.Mutex
}

func openStore(root string) (*store, error) {
	for _, k := range []kind{volumes, snapshots} {
		if err := os.MkdirAll(filepath.Join(root, string(k)), 0o755); err != nil {
			return nil, err
		}
	}
	return &store{root: root}, nil
}

// identify derives an id from the name the caller chose: asking twice for one name finds the same item, as CSI demands.
func identify(prefix, name string) string {
	sum := sha256.Sum256([]byte(name))
	return prefix + "-" + hex.EncodeToString(sum[:12])
}

// validID says whether an id can be one of ours; ids become paths, so one with a separator never may.
func validID(id string) bool {
	return id != "" && id == filepath.Base(id) && !strings.HasPrefix(id, ".")
}

func (s *store) path(k kind, id string) string { return filepath.Join(s.root, string(k), id) }

func (s *store) data(k kind, id string) string { return filepath.Join(s.path(k, id), "data") }

func (s *store) find(k kind, id string) (record, error) {
	var found record
	if !validID(id) {
		return found, fmt.Errorf("%s %q: %w", k, id, errNotFound)
	}
	text, err := os.ReadFile(filepath.Join(s.path(k, id), "record.json"))
	if errors.Is(err, os.ErrNotExist) {
		return found, fmt.Errorf("%s %q: %w", k, id, errNotFound)
	} else if err != nil {
		return found, err
	}
	return found, json.Unmarshal(text, &found)
}

// list returns every record of a kind, ordered by id.
func (s *store) list(k kind) ([]record, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, string(k)))
	if err != nil {
		return nil, err
	}
	var all []record
	for _, entry := range entries {
		found, err := s.find(k, entry.Name())
		if errors.Is(err, errNotFound) {
			continue // half made, or deleted since ReadDir
		} else if err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	return all, nil
}

// create stores r with an empty data directory, or with a copy of the directory origin.
func (s *store) create(k kind, r record, origin string) error {
	draft := s.path(k, "."+r.ID)
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	data := filepath.Join(draft, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	if err := fill(data, origin); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(draft, "record.json"), text, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, s.path(k, r.ID))
}

func fill(data, origin string) error {
	if origin == "" {
		// Pods run as any user; the kubelet applies fsGroup only to drivers that ask for it. Chmod, as MkdirAll obeys the umask.
		return os.Chmod(data, 0o777)
	}
	output, err := exec.Command("cp", "--archive", "--reflink=auto", "--sparse=always", origin+"/.", data).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy %s: %w: %s", origin, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// remove deletes an item; one that does not exist is deleted already.
func (s *store) remove(k kind, id string) error {
	if !validID(id) {
		return nil
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	// Hidden first: a deletion that is interrupted must not leave an item with half of its data in sight.
	grave := s.path(k, ".deleted-"+id)
	if err := os.RemoveAll(grave); err != nil {
		return err // left by a deletion that was interrupted, of an item that was made again since
	}
	if err := os.Rename(s.path(k, id), grave); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(grave)
}
