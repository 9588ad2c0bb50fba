"""Makes a library and keeps it up to date with the disk: scan folders, decode photos, encode, store.

The package `library` owns the files of a library and imports none of the modules beside it, which bring photos in. In
the order of a photo's way: `folders` and `scanning` find files, `changes` says which to read, `workers` run `decoding`
(with `metadata`) in other processes, `batches` write to the encodings and then to the catalog. One such run is
`indexing.index_folders`; `watching.watch_folders` repeats it.
"""
