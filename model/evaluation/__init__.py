"""Retrieval measured on captioned photos: shortlist, rerank and exhaustive ITM, in both directions.

Exact top-k in numpy: no library, no FAISS. A caption has found its photo when that photo is among the first
k (text to image), a photo when any of its captions is (image to text). The shortlist's candidates come first, in
the order of the rerank; all others follow by similarity. So every rank is a rank in the whole gallery.
"""
