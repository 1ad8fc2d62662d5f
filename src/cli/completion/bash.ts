import { valueFlags, type CommandNode, type Completion } from './command-tree.ts';

/** A bash script that completes `yado`; zsh runs it too. */
export function bashCompletion(tree: readonly CommandNode[]): string {
  const paths = tree.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  return `# Completion of yado. Use: source <(yado completion bash)
_yado_objects() {
  command kubectl get "$@" -o name --request-timeout=2s 2>/dev/null | sed 's|.*/||'
}

_yado() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' word i
  local -a target=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in
      -n|--namespace|--context|--kubeconfig) ((i + 1 < COMP_CWORD)) && target+=("$word" "\${COMP_WORDS[i+1]}"); ((i++)); continue ;;
      ${valueFlags(tree).join('|')}) ((i++)); continue ;;
    esac
    case "\${path:+$path }$word" in
      ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path:$previous" in
${tree.flatMap(valueCases).join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    case "$path" in
${tree.map(({ path, options }) => `      '${path}') COMPREPLY=($(compgen -W '${options.flatMap(({ flags }) => flags).join(' ')}' -- "$current")) ;;`).join('\n')}
    esac
    return
  fi
  case "$path" in
${tree.map(wordCase).join('\n')}
  esac
}
complete -F _yado yado
`;
}

/** zsh understands bash's script once it is asked to. */
export function zshCompletion(tree: readonly CommandNode[]): string {
  return `# Completion of yado for zsh. Use: source <(yado completion zsh)
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${bashCompletion(tree)}`;
}

function valueCases({ path, options }: CommandNode): readonly string[] {
  return options.flatMap(({ flags, value }) => (value === undefined ? [] : [`    ${flags.map((flag) => `'${path}:${flag}'`).join('|')}) ${reply(value)}return ;;`]));
}

function wordCase({ path, commands, argument }: CommandNode): string {
  const words: Completion = commands.length > 0 ? { kind: 'words', words: commands.map(({ name }) => name) } : argument;
  return `    '${path}') ${reply(words)};;`;
}

function reply(completion: Completion): string {
  switch (completion.kind) {
    case 'none': return '';
    case 'files': return 'COMPREPLY=($(compgen -f -- "$current")); ';
    case 'objects': return `COMPREPLY=($(compgen -W "$(_yado_objects ${completion.of} "\${target[@]}")" -- "$current")); `;
    case 'words': return `COMPREPLY=($(compgen -W '${completion.words.join(' ')}' -- "$current")); `;
  }
}
