"""Get videos and captions from the web: what is asked for, safely and politely, and a record of what was got."""
