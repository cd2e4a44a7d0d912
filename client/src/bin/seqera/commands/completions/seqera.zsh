#compdef seqera
# Completion of seqera for zsh. Put it as _seqera into a folder of $fpath, or load it with:
#   source <(seqera completions zsh)
_seqera() {
    local -a found
    found=("${(@f)$("${words[1]}" __complete zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n ${found[1]} ]]; then
        _describe -t seqera seqera found
    else
        _files
    fi
}
if [[ ${funcstack[1]} == _seqera ]]; then
    _seqera "$@"
else
    compdef _seqera seqera
fi
