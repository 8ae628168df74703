"""Demand: discrete choice estimated from what markets offered and sold, from plain logit to BLP."""
