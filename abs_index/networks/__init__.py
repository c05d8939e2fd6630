"""The torch networks, their export to a model folder, and the runtime for GPUs."""
