"""carina: chest-radiograph vision-language models, pre-trained, asked, measured."""
