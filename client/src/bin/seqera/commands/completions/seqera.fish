# Completion of seqera for fish. Put it into ~/.config/fish/completions/seqera.fish, or load it with:
#   seqera completions fish | source
function __seqera_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    $words[1] __complete fish -- $words[2..-1] "$current" 2>/dev/null
end
complete -c seqera -f -a '(__seqera_complete)'
complete -c seqera -n '__fish_seen_subcommand_from exec' -F
