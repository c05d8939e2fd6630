"""Searching an index: query language, filters, retrieval, fusion, and the hits that they give."""
