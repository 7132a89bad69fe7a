"""Reading the source: manifest, texts and chapters joined by video."""
