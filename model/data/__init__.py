"""Captioned photos in the layouts they are published in, turned into shards.

One module a layout, each with a function that reads it into `SourcePhoto`s; `importing` writes those.
"""
