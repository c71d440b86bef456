// Where a volume can be used: on this node and nowhere else.
package main

import "github.com/container-storage-interface/spec/lib/go/csi"

type topology struct{ driver, node string }

func (t topology) here() *csi.Topology {
	return &csi.Topology{Segments: map[string]string{"topology." + t.driver + "/node": t.node}}
}
