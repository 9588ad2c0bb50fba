"""Pixel-BERT (arXiv 2004.00849): the network, its processor, objectives, training, weights and runtimes.

This layer knows tensors, sentences and decoded photos; it knows no library, no database and no server.
Indexing and searching go through `model.runtime.protocol`, which imports neither PyTorch nor transformers until a
network is really needed. Training (`model.training`), evaluation (`model.evaluation`) and data sets
(`model.data`) are for the command line alone.
"""
