/** What can follow each command path (`''` is the program itself): subcommands and options. */
export type Words = ReadonlyMap<string, readonly string[]>;

/** A bash script that completes commands and options, and files where neither fits. */
export function bashScript(words: Words): string {
  const cases = [...words].map(([path, list]) => `    '${path}') words='${list.join(' ')}' ;;`);
  return `# countersign completion for bash
_countersign() {
  local path='' word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) ;;
      *) case " ${[...words.keys()].filter((path) => path !== '').join(' | ')} " in
        *" \${path:+$path }$word "*) path="\${path:+$path }$word" ;;
      esac ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
    *) words='' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _countersign countersign
`;
}

/** The same for zsh, by its bash emulation. */
export function zshScript(words: Words): string {
  return `#compdef countersign
autoload -U +X bashcompinit && bashcompinit
${bashScript(words)}`;
}
