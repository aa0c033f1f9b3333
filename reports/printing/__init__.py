"""How any document becomes a PDF: the engine, lines of one width, images, fonts."""
