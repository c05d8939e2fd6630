"""Labels for documents of a user's own Elasticsearch index."""
