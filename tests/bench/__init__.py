"""Speed, measured side by side with stock Velero in one run (`make bench`); never a reason for a test to fail."""
