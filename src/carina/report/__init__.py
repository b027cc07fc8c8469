"""Reports: sections, sentences, entities with assertion. Text to text."""
