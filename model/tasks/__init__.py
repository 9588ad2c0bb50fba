"""What a Pixel-BERT does beside retrieval: questions (VQA), and statements about one photo or two (NLVR2)."""
