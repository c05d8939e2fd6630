"""From files to pairs: reading documents and pictures, resolving references, normalising text, pairing."""
