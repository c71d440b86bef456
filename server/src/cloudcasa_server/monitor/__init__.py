"""What a running server tells those who watch over it: probes and metrics."""
