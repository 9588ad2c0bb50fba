"""What a Pixel-BERT does beside retrieval: answers to questions (VQA), and statements about one photo or two (NLVR2)."""
