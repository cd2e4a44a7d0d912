# Completion of seqera for bash. Load it with:  source <(seqera completions bash)
_seqera() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" __complete bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _seqera seqera
