"""What is wrong with clips that decode: static, black, letterboxed and tiny ones, and near-duplicates."""
