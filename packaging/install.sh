#!/bin/sh
# Installs @name@ @version@ for one user, without root: programs, manual pages and completions below ~/.local.
# Needs a POSIX shell, tar, gzip, curl or wget, and a program for SHA-256 sums. Nothing is changed before
# everything has been fetched, checked and tried.
#
#   sh install.sh                    install, or bring an older installation up to this version
#   sh install.sh --prefix DIR       below another folder, such as one beside another program called seqera
#   sh install.sh --from PLACE       fetch from another address, or take the files from a folder
#   sh install.sh --uninstall        stop the agent and remove everything that this script installed
#   sh install.sh --uninstall --force   even if a session that lives only in the agent's memory gets lost
set -u
umask 022

version=@version@
from=@downloads@/v$version
prefix=
action=install
force=
staging=
made=

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
    exit 1
}
# Whatever happens, no half of anything stays behind, nor a folder that was made for nothing.
clean() {
    [ -z "$staging" ] || rm -rf "$staging"
    for folder in $made; do
        case $folder in
            bin) rmdir "$bin" ;;
            lib) rmdir "$prefix/lib" ;;
            prefix) rmdir "$prefix" ;;
        esac 2>/dev/null
    done
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --from) [ $# -gt 1 ] || fail "$1 needs a value" ;;
    esac
    case $1 in
        --prefix) prefix=$2; shift ;;
        --from) from=$2; shift ;;
        --uninstall) action=uninstall ;;
        --force) force=--force ;;
        -h | --help) sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p;}' "$0" 2>/dev/null; exit 0 ;;
        *) fail "unknown option '$1'" "sh install.sh --help" ;;
    esac
    shift
done

if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set, so there is no ~/.local" "name a folder: --prefix DIR"
    prefix=$HOME/.local
fi
case $prefix in /*) ;; *) prefix=$(pwd)/$prefix ;; esac
home=$prefix/lib/@name@
bin=$prefix/bin

# Everything outside of $home is a link into it. Its second column is where it leads.
links() {
    cat <<LIST
bin/seqera bin/seqera
bin/seqera-agent bin/seqera-agent
share/bash-completion/completions/seqera completions/seqera.bash
share/fish/vendor_completions.d/seqera.fish completions/seqera.fish
share/zsh/site-functions/_seqera completions/seqera.zsh
LIST
    for page in "$1"/man/man1/*.1; do
        [ -e "$page" ] && say "share/man/man1/${page##*/} man/man1/${page##*/}"
    done
}
# Whether a path is a link that this script made.
is_ours() {
    case $(readlink "$1" 2>/dev/null) in "$home"/*) return 0 ;; *) return 1 ;; esac
}

target() {
    system=$(uname -s)
    machine=$(uname -m)
    case $system in
        Linux) system=linux ;;
        Darwin) system=macos ;;
        MINGW* | MSYS* | CYGWIN*)
            fail "this script does not install on Windows" "unpack @name@-$version-windows-x86_64.zip from $from" ;;
        *) fail "there are no programs for $system" "build them: @homepage@#from-source" ;;
    esac
    case $machine in
        x86_64 | amd64) machine=x86_64 ;;
        aarch64 | arm64) machine=aarch64 ;;
        *) fail "there are no programs for the processor $machine" "build them: @homepage@#from-source" ;;
    esac
    # A shell that runs translated on an Apple processor says x86_64.
    if [ "$system" = macos ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1 ]; then machine=aarch64; fi
    say "$system-$machine"
}

fetch() {
    case $from in
        http://* | https://*)
            if command -v curl >/dev/null 2>&1; then
                curl -fsSL --retry 2 -o "$staging/$1" "$from/$1"
            elif command -v wget >/dev/null 2>&1; then
                wget -q -O "$staging/$1" "$from/$1"
            else
                fail "neither curl nor wget is installed" "install one of them"
            fi ;;
        *) cp "$from/$1" "$staging/$1" ;;
    esac && return
    has_room || no_room
    fail "$1 cannot be fetched from $from" "check the network and the proxy (HTTPS_PROXY), or fetch it by hand: --from DIR"
}
# A file system that is full refuses even a few bytes.
has_room() { dd if=/dev/zero of="$staging/room" bs=65536 count=1 2>/dev/null && rm -f "$staging/room"; }
no_room() { fail "there is no room below $prefix" "make room (80 MB are plenty), or choose another folder: --prefix DIR"; }

sum_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1"
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1"
    else
        openssl dgst -sha256 -r "$1"
    fi | cut -d ' ' -f 1
}

check_sum() {
    wanted=$(sed -n "s/^\([0-9a-f]\{64\}\)  $1\$/\1/p" "$staging/SHA256SUMS")
    [ -n "$wanted" ] || fail "SHA256SUMS at $from does not name $1" "tell who put it there; nothing was installed"
    found=$(sum_of "$staging/$1")
    [ "$wanted" = "$found" ] ||
        fail "$1 is not what SHA256SUMS says: $found instead of $wanted; nothing was installed" \
            "fetch it again; if that does not help, tell @homepage@/issues"
}

# Another program's file is never replaced.
check_places() {
    links "$1" | while read -r link _; do
        path=$prefix/$link
        if [ -e "$path" ] || [ -L "$path" ]; then
            is_ours "$path" || { say "$path"; break; }
        fi
    done
}

make_folders() {
    [ -d "$prefix" ] || made=prefix
    [ -d "$prefix/lib" ] || made="lib $made"
    [ -d "$bin" ] || made="bin $made"
    for folder in "$prefix" "$prefix/lib" "$bin"; do
        mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ] ||
            fail "$folder cannot be written" "choose a folder of your own: --prefix DIR"
    done
    staging=$prefix/lib/.@name@.$$
    mkdir "$staging" 2>/dev/null || { staging=; no_room; }
}

install() {
    name=@name@-$version-$(target) || exit 1
    command -v sha256sum >/dev/null 2>&1 || command -v shasum >/dev/null 2>&1 || command -v openssl >/dev/null 2>&1 ||
        fail "no program for SHA-256 sums is installed" "install sha256sum, shasum or openssl"
    make_folders
    fetch SHA256SUMS
    fetch "$name.tar.gz"
    check_sum "$name.tar.gz"
    gzip -dc "$staging/$name.tar.gz" 2>/dev/null | (cd "$staging" && tar -xf - 2>/dev/null) || { has_room || no_room; }
    new=$staging/$name
    says=$("$new/bin/seqera" --version 2>&1) && "$new/bin/seqera-agent" --version >/dev/null 2>&1 || {
        has_room || no_room
        fail "the programs do not run here: $says" "if files below $prefix may not be run, choose another: --prefix DIR"
    }
    other=$(check_places "$new")
    [ -z "$other" ] || fail "$other is another program's; nothing was installed" \
        "keep both: sh install.sh --prefix \$HOME/.seqera-agent, and put \$HOME/.seqera-agent/bin first into PATH"

    # Two renames on one file system: a whole installation, the old one or the new.
    old=$staging/old
    if [ -d "$home" ]; then mv "$home" "$old" || fail "$home cannot be replaced"; fi
    mv "$new" "$home" || { mv "$old" "$home" 2>/dev/null; fail "$home cannot be written"; }
    { cat "$old/folders" 2>/dev/null; new_folders; } >"$home/folders"
    links "$home" | while read -r link place; do
        mkdir -p "$prefix/${link%/*}" && is_ours "$prefix/$link" || ln -s "$home/$place" "$prefix/$link" ||
            say "$prefix/$link" >>"$staging/missing"
    done
    # Pages that the new version no longer has.
    for link in "$prefix"/share/man/man1/seqera*.1; do
        [ -e "$link" ] || ! is_ours "$link" || rm -f "$link"
    done
    if [ -s "$staging/missing" ]; then
        missing=$(cat "$staging/missing")
        [ -d "$old" ] || remove_files
        fail "these links cannot be made: $missing" "check who may write there"
    fi
    say "installed: $says"
    restart_agent
    say_path
    say "to begin: seqera login        to remove it: sh $home/install.sh --uninstall$own_prefix"
}

# What is made below the prefix besides $home, for an uninstallation to take away: no folder that was there before.
new_folders() {
    for folder in $made; do
        case $folder in prefix) say . ;; *) say "$folder" ;; esac
    done
    links "$home" | while read -r link _; do
        folder=${link%/*}
        while [ "$folder" != bin ] && [ ! -d "$prefix/$folder" ]; do
            say "$folder"
            case $folder in */*) folder=${folder%/*} ;; *) break ;; esac
        done
    done
}

own_prefix=
[ "$prefix" = "${HOME:-}/.local" ] || own_prefix=" --prefix $prefix"

# The agent that is running goes on from memory with the programs of before.
restart_agent() {
    running=$("$home/bin/seqera" agent status -o json 2>/dev/null) || return 0
    case $running in *'"pid":'[0-9]*) ;; *) return 0 ;; esac
    if said=$("$home/bin/seqera" agent restart 2>&1); then
        say "the running agent has been restarted"
    else
        say "the running agent is still the one of before. $said"
        say "hint: seqera agent restart, once that is possible"
    fi
}

say_path() {
    first=$(command -v seqera 2>/dev/null)
    case :${PATH:-}: in
        *:"$bin":*)
            [ -z "$first" ] || [ "$first" = "$bin/seqera" ] || {
                say "warning: another seqera comes first on PATH: $first"
                say "hint: put $bin before it in PATH, or call this one as $bin/seqera"
            } ;;
        *)
            [ -z "$first" ] || say "warning: another seqera is on PATH: $first"
            say "hint: $bin is not on PATH; add to your shell's start file: export PATH=\"$bin:\$PATH\"" ;;
    esac
}

remove_files() {
    links "$home" | while read -r link _; do
        is_ours "$prefix/$link" && rm -f "$prefix/$link"
    done
    folders=$(LC_ALL=C sort -ru "$home/folders" 2>/dev/null)
    rm -rf "$home"
    # What others have put files into stays.
    say "$folders" | while read -r folder; do
        case $folder in '') ;; .) rmdir "$prefix" ;; *) rmdir "$prefix/$folder" ;; esac 2>/dev/null
    done
}

# An administrator removes the programs of everybody. SIGTERM lets an agent save what is under way.
end_agents_of_others() {
    [ "$(id -u)" = 0 ] || return 0
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" 2>/dev/null) in
            "$home/bin/seqera-agent" | "$home/bin/seqera-agent (deleted)") kill -TERM "${process#/proc/}" ;;
        esac
    done
}

uninstall() {
    [ -d "$home" ] || fail "there is no $home" "it was installed in another way, or with another --prefix"
    [ -w "$prefix/lib" ] && [ -w "$bin" ] || fail "$prefix cannot be written; nothing was removed"
    said=$("$home/bin/seqera" agent stop $force 2>&1) ||
        fail "the agent cannot be stopped, so nothing was removed: $said" \
            "sign out first (seqera logout --all), or lose what only the agent knows: --uninstall --force"
    end_agents_of_others
    remove_files
    say "removed: the programs, manual pages and completions of @name@ below $prefix; the agent is not running."
    say "Sessions that you did not sign out of are still valid: to end them, install again, 'seqera logout --all',"
    say "uninstall. Files that stay: \${XDG_CONFIG_HOME:-~/.config}/seqera-ai (also used by Seqera's own command line),"
    say "\${XDG_STATE_HOME:-~/.local/state}/seqera, and items 'seqera-agent' in the keychain."
}

"$action"
