"""The places that clips can come from: one module a kind of source, and what they read archives and URLs with."""
