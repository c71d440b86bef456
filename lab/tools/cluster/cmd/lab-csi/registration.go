// The kubelet's plugin watcher asks every socket in plugins_registry who it is; this answers, so node-driver-registrar is not needed.
package main

import (
	"context"
	"log/slog"

	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type registrar struct {
	registration.UnsafeRegistrationServer
	name, socket string
}

func (r *registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              r.name,
		Endpoint:          r.socket,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registrar) NotifyRegistrationStatus(
	_ context.Context, outcome *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if outcome.GetPluginRegistered() {
		slog.Info("The kubelet registered the driver.", "driver", r.name)
	} else {
		slog.Error("The kubelet refused the driver.", "driver", r.name, "error", outcome.GetError())
	}
	return &registration.RegistrationStatusResponse{}, nil
}
