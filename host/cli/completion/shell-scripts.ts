/** Shells for which `guestctl completion` prints a script. */
export type Shell = "bash" | "zsh" | "fish";

/** Scripts that ask `guestctl __complete` for candidates, one on each line: value, tab, description; last ":files". */
export const SHELL_SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# bash completion for guestctl: source <(guestctl completion bash)
_guestctl() {
  local line=\${COMP_LINE:0:COMP_POINT} cur=\${COMP_WORDS[COMP_CWORD]} value
  local word=\${line##*[[:space:]]}
  # bash splits words at these, so candidates must begin after them
  [[ $cur == [:=] ]] && cur=
  local before=\${word%"$cur"}
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    if [[ $value == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$cur")
    else
      [[ $value == *[:=] ]] && compopt -o nospace 2>/dev/null
      COMPREPLY+=("\${value#"$before"}")
    fi
  done < <("\${COMP_WORDS[0]}" __complete --line "$line" 2>/dev/null)
}
complete -F _guestctl guestctl
`,
  zsh: `#compdef guestctl
# zsh completion for guestctl: guestctl completion zsh > "\${fpath[1]}/_guestctl"
_guestctl() {
  local -a candidates
  local value about files=
  while IFS=$'\\t' read -r value about; do
    if [[ $value == :files ]]; then files=1
    else candidates+=("\${value//:/\\\\:}:$about"); fi
  done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#candidates )) && _describe guestctl candidates
  [[ -n $files ]] && _files
  return 0
}
if [[ $funcstack[1] == _guestctl ]]; then _guestctl "$@"; else compdef _guestctl guestctl; fi
`,
  fish: `# fish completion for guestctl: guestctl completion fish > ~/.config/fish/completions/guestctl.fish
function __guestctl_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] __complete -- $words[2..] $current 2>/dev/null)
    if test "$line" = ":files"
      __fish_complete_path $current
    else
      echo $line
    end
  end
end
complete -c guestctl -f -a '(__guestctl_complete)'
`,
};
