"""Where the media of clips lies: listing folders, reading file names, matching them to annotation rows."""
