"""Pixel-BERT (arXiv 2004.00849): the network, its processor, objectives, training, weights and runtimes.

This layer knows tensors, sentences and decoded photos; it knows no library, no database and no server.
What stands above it imports `model.runtime` and `model.weights` only, which import neither PyTorch nor
transformers until a network is really needed.
"""
