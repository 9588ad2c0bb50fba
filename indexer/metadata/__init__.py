"""The metadata of photos, as cameras and programs really write it.

Each kind of metadata has a module (`exif`, `xmp`, `iptc`, `png`). They share modules for dates, character sets and
limits. `reading` merges the kinds.
"""
