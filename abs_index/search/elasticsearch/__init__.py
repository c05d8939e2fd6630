"""Searching the pairs that were pushed to Elasticsearch."""
