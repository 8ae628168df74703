"""What the factorization machine and the two-tower model share: visits, candidates, tables, losses, one loop.

torch is imported inside functions only; drawing, counting and folding are numpy.
"""
