"""The embedded engine: Tantivy and FAISS in the folder of an index."""
