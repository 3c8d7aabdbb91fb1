export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/**
 * What a shell sources. Each asks `cllm completion words -- …` for what fits: a line for each word, a tab and what it is
 * after it; the line `:files` stands for names of files.
 */
export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# cllm completion for bash. To use it: source <(cllm completion bash), in ~/.bashrc say.
_cllm() {
  local -a words=()
  local at part rest="$COMP_LINE" before='' word line typed=''
  # bash makes words of what stands between colons (llama3:8b): those without a space between them are one.
  for ((at = 0; at <= COMP_CWORD; at++)); do
    part="\${COMP_WORDS[at]}"
    if ((at > 1)) && [[ -n $rest && $rest != [[:space:]]* && $before$part == *:* && ( $before == *: || $part == :* ) ]]; then
      words[\${#words[@]}-1]+="$part"
    else
      words+=("$part")
    fi
    rest="\${rest#"\${rest%%[![:space:]]*}"}"
    rest="\${rest#"$part"}"
    before="$part"
  done
  word="\${words[\${#words[@]}-1]}"
  # ... and puts what it is given in place of the part after the last colon only.
  [[ $COMP_WORDBREAKS == *:* ]] && typed="\${word%"\${word##*:}"}"
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o default 2>/dev/null
      COMPREPLY=()
      return
    fi
    line="\${line%%$'\\t'*}"
    COMPREPLY+=("$(printf '%q' "\${line#"$typed"}")")
  done < <(cllm completion words -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _cllm cllm
`,
  zsh: `#compdef cllm
# cllm completion for zsh. To use it: source <(cllm completion zsh), in ~/.zshrc after compinit.
_cllm() {
  local -a found
  local line
  for line in "\${(@f)$(cllm completion words -- "\${(@)words[2,CURRENT-1]}" "$words[CURRENT]" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == :files ]]; then
      _files
      return
    fi
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( $#found )) && _describe 'cllm' found
}
(( $+functions[compdef] )) && compdef _cllm cllm
`,
  fish: `# cllm completion for fish. To use it: cllm completion fish | source, in ~/.config/fish/config.fish say.
function __cllm_complete
    set -l words (commandline -opc)
    set -l found (cllm completion words -- $words[2..-1] (commandline -ct) 2>/dev/null)
    if test "$found" = ':files'
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c cllm -f -a '(__cllm_complete)'
`,
};
