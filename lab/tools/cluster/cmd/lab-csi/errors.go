// From our errors to the status codes that the CSI sidecars act upon.
package main

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func missing(what string) error { return status.Errorf(codes.InvalidArgument, "%s is missing", what) }

func asStatus(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errNotFound) {
		return status.Error(codes.NotFound, err.Error())
	}
	if _, already := status.FromError(err); already {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}
