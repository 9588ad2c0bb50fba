"""Training a Pixel-BERT by a recipe."""
