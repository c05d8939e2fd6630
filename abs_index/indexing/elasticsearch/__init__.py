"""Publishing to Elasticsearch: connection, templates, documents, bulk loading."""
