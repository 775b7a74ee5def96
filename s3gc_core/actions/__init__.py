"""What a collector does, one action a file; `collector.Collector` is their only door."""
