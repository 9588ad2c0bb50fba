"""Makes a library and keeps it in step with the disk: scan folders, decode photos, encode, store.

`library.Library` is the door; everything above this layer goes through it, `indexing.index_folders` and
`verification.verify`. Inside, in the order in which a photo passes: `folders` and `scanning` find files,
`changes` tells which to read, `workers` runs `decoding` (and `metadata`) in other processes, `batches`
commits to `encodings` and then to the `catalog`, `vectors` keeps the FAISS index, `shortlist` searches it,
`status` counts. Beside them stand `migrations` (the catalog's schema), `locking` (one writer), `sqlite`
(what only SQLite does) and `errors`.
"""
