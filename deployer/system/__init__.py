"""Files, locks and waiting, without anything of models or servers."""
