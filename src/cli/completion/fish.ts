import { valueFlags, type CommandNode, type Completion, type OptionNode } from './command-tree.ts';

/** A fish script that completes `yado`. */
export function fishCompletion(tree: readonly CommandNode[]): string {
  const paths = tree.filter(({ path }) => path !== '').map(({ path }) => quote(path));
  return `# Completion of yado. Use: yado completion fish | source
function __yado_objects
    command kubectl get $argv -o name --request-timeout=2s 2>/dev/null | string replace -r '.*/' ''
end

function __yado_at
    set -l path ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case ${valueFlags(tree).join(' ')}
                set skip 1
                continue
        end
        set -l longer (string trim -- "$path $word")
        if contains -- $longer ${paths.join(' ')}
            set path $longer
        end
    end
    test "$path" = "$argv[1]"
end

complete -c yado -f
${tree.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, options, argument }: CommandNode): readonly string[] {
  const at = `complete -c yado -n ${quote(`__yado_at '${path}'`)}`;
  return [
    ...commands.map(({ name, description }) => `${at} -a ${quote(name)} -d ${quote(description)}`),
    ...(commands.length > 0 ? [] : argumentsOf(argument).map((words) => `${at} ${words}`)),
    ...options.map((option) => `${at} ${optionOf(option)} -d ${quote(option.description)}`),
  ];
}

function argumentsOf(completion: Completion): readonly string[] {
  switch (completion.kind) {
    case 'none': return [];
    case 'files': return ['-F'];
    case 'objects': return [`-a '(__yado_objects ${completion.of})'`];
    case 'words': return [`-a ${quote(completion.words.join(' '))}`];
  }
}

function optionOf({ flags, value }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  return [...names, ...(value === undefined ? [] : ['-r', ...argumentsOf(value)])].join(' ');
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
