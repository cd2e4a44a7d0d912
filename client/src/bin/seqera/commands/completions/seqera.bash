# Completion of seqera for bash. Load it with:  source <(seqera completions bash)
_seqera() {
    local word
    COMPREPLY=()
    # Each line is a word with its escapes. Nothing expands it here, and readline inserts it as it is.
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]}" __complete bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _seqera seqera
