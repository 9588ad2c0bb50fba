"""From what a network computes to a score and a match: how they are made, and how their numbers are fitted."""
