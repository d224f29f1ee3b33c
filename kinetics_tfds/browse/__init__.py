"""A page in the browser to look at clips: a server on this machine, or a static export of it."""
