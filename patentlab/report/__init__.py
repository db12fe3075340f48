"""The report of a sweep: tables in four formats, figures in two, and one HTML page to read and send on."""
