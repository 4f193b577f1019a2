"""What a run will need of a device's memory, from its settings and the model's configuration alone."""
