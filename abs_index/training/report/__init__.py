"""What the paper shows of its data and its results, made from one's own: tables, plots, pictures."""
