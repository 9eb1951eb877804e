"""The reduction methods, one file each; `registry` describes them."""
