"""How object storage is asked: fsspec's file systems, with limits of time and tries.

Who may read and write is found as with every such tool: for S3 in the environment, in `~/.aws`, in the machine's role.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

AT_ONCE = 64
"""Connections: a shortlist is read at once, not ten by ten."""
_S3: dict[str, Any] = {
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 20,
        "retries": {"mode": "standard", "total_max_attempts": 3},
        "max_pool_connections": AT_ONCE,
    }
}
"""Seconds, and how often botocore tries. The environment says all else."""


def is_s3(url: str) -> bool:
    """Whether s3fs is asked."""
    return urlsplit(url).scheme in ("s3", "s3a")


def open_system(url: str) -> tuple[Any, str]:
    """The file system of fsspec for `url`, and the path in it.

    Raises ImportError where a package is missing, and ValueError for an unknown kind of URL.
    """
    import fsspec

    # Another part of the program may use the same storage with other time-outs: no shared instance.
    options = _S3 if is_s3(url) else {}
    system, path = fsspec.core.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
    if is_s3(url):
        system.retries = 2  # s3fs tries again what botocore gave up: a body that broke off
    return system, str(path)
