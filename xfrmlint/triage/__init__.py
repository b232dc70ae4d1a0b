"""What of the findings is settled already: comments, settings, baselines."""
