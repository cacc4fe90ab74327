"""The Hugging Face hub, or a mirror of it: what there is to download. Everything it says is checked."""
