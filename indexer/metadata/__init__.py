"""What photos tell about themselves, as cameras and programs really write it.

One module for each place where something is written (`exif`, `xmp`, `iptc`, `png`), one for the dates and one for
the characters that all of them use. `reading` puts the places in order.
"""
