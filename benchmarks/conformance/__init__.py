"""Differential conformance: the same recorded bytes through our adapters and through an independent library (ccxt).

`python -m benchmarks.conformance` compares instrument by instrument and quote by quote. A disagreement that no entry
of `explanations.py` covers is a failure.
"""
