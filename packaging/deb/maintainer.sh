#!/bin/sh
# What happens around installing and removing the packages for Debian and Fedora. The part of this file for
# each step follows these functions (tests/xtask/src/dist/deb.rs, rpm/seqera-agent.spec.in).
set -e

# Another program's file is never replaced: one that no package owns is not protected by the package manager.
refuse_other() {
    for file in "${DPKG_ROOT:-}/usr/bin/seqera" "${DPKG_ROOT:-}/usr/bin/seqera-agent"; do
        [ -e "$file" ] || [ -L "$file" ] || continue
        echo "@name@: $file is another program's; nothing was installed." >&2
        echo "Move it, or install this one for yourself: @homepage@#install" >&2
        exit 1
    done
}

# Ends every user's agent of this package. SIGTERM lets it finish and save a renewal that is under way.
end_agents() {
    if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
        for folder in /run/user/*/systemd; do
            [ -d "$folder" ] || continue
            user=${folder#/run/user/}
            systemctl --user --machine="${user%/systemd}@.host" stop seqera-agent.socket seqera-agent.service \
                >/dev/null 2>&1 || true
        done
    fi
    # Those of the program that was upgraded while they ran count too, but none outside this root.
    agents=
    for process in /proc/[0-9]*; do
        [ "$process/root" -ef / ] || continue
        case $(readlink "$process/exe" 2>/dev/null) in
            "${DPKG_ROOT:-}/usr/bin/seqera-agent" | "${DPKG_ROOT:-}/usr/bin/seqera-agent (deleted)")
                agents="$agents ${process#/proc/}" ;;
        esac
    done
    [ -z "$agents" ] || kill -TERM $agents 2>/dev/null || true
    # A renewal may take 20 seconds.
    for tenth in $(seq 250); do
        [ -n "$agents" ] && kill -0 $agents 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL $agents 2>/dev/null || true
}

# Where a shell looks before /usr/bin, and where npm puts the commands of its packages.
warn_of_first() {
    file="${DPKG_ROOT:-}/usr/local/bin/seqera"
    [ -e "$file" ] || return 0
    echo "@name@: $file is another program, which comes first on most people's PATH." >&2
    echo "Remove it, or call this one as /usr/bin/seqera: @homepage@#beside-seqeras-own-seqera" >&2
}

say_what_stays() {
    echo "@name@: no agent of this package is running any more. Sessions that nobody signed out of are still"
    echo "valid: to end them, install again, run 'seqera logout --all' as that user, and remove. Files that stay in"
    echo "each home: ~/.config/seqera-ai (also used by Seqera's own command line), ~/.local/state/seqera, and items"
    echo "'seqera-agent' in the keychain."
}
