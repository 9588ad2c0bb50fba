"""A library on disk: the catalog, the encodings of each photo, the FAISS index.

To read it without a model: `library`; to search it: `view`; to write to it: `writer`.
"""
