"""Labelled pairs, training and evaluation."""
