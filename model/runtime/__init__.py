"""A trained Pixel-BERT, computed: `protocol` says what may be asked, `loading` picks PyTorch or ONNX Runtime."""
