"""`python -m cli`: what `accelerate launch` and `torchrun` start."""

from cli.main import main

main()
