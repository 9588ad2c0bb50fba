"""Makes a library and keeps it in step with the disk: scan folders, decode photos, encode, store.

The room `library` owns what a library has on disk and imports nothing that stands beside it here. The rest brings
photos in. In the order in which a photo passes: `folders` and `scanning` find files, `changes` says which to read,
`workers` run `decoding` (and `metadata`) in other processes, `batches` commit to the library's encodings and then to
its catalog. `indexing.index_folders` is one such run; `watching.watch_folders` keeps on.
"""
