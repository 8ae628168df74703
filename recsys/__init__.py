"""Assortment recommendations, retrained, judged and published every night."""

__version__ = "0.1.0"
