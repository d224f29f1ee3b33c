"""From rows and files to a plan: what is built, in which shard, out of which file, and what it will take."""
