"""Tasks of a Pixel-BERT other than retrieval: questions (VQA), and statements about one photo or two (NLVR2)."""
