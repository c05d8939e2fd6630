"""Elasticsearch as the engine: the same searches as embedded, on a cluster."""
