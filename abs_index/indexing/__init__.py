"""From documents to an index: the table, the pipeline that fills it, and the search structures made from it."""
