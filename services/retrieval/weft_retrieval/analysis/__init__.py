"""Text analysis by language: tokens, stems, and the reanalysis of stored chunks."""
