"""The Pixel-BERT itself, in PyTorch: configuration, CNN, pixel features, trunk, heads and where weights start."""
