#!/bin/sh
# Installs what the archive of the release holds; called in its folder.
set -eu
mkdir -p "$PREFIX/bin" "$PREFIX/share/man/man1" "$PREFIX/share/bash-completion/completions" \
    "$PREFIX/share/fish/vendor_completions.d" "$PREFIX/share/zsh/site-functions"
install -m 0755 bin/seqera bin/seqera-agent bin/seqera-mcp "$PREFIX/bin/"
install -m 0644 man/man1/*.1 "$PREFIX/share/man/man1/"
install -m 0644 completions/seqera.bash "$PREFIX/share/bash-completion/completions/seqera"
install -m 0644 completions/seqera.fish "$PREFIX/share/fish/vendor_completions.d/seqera.fish"
install -m 0644 completions/seqera.zsh "$PREFIX/share/zsh/site-functions/_seqera"
