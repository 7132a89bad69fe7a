"""What the data is: records, tables, configuration, the layout of a corpus on disk, and storage."""
