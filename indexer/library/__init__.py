"""What a library has on disk: the catalog, what a model made of each photo, the FAISS index, and who may write them."""
