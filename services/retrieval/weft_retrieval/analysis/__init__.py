"""Words as a language has them: tokens, stems, and stored words analysed anew."""
