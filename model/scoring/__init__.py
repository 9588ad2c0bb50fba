"""From the outputs of a network to a score and a match, and how the parameters of the score are fitted."""
