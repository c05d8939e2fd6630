"""What a model is, model folders, and the runtime for CPUs. Imports without torch."""
