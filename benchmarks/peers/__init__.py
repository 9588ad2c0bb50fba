"""Pixelseek beside other searches for one's own photos: `python -m benchmarks.peers --help`."""
