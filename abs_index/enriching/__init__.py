"""Enriching: figures in an Elasticsearch index that is already there get labels, in place."""
