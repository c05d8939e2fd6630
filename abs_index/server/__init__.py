"""A real Elasticsearch for tests and for trying out: fetched from Maven Central, started on this machine."""
