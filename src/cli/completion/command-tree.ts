import type { Command } from 'commander';

/** What completes a word that is no command and no option. */
export type Completion = { readonly kind: 'none' } | { readonly kind: 'objects'; readonly of: 'vm' | 'ost' | 'osm' } | { readonly kind: 'files' } | { readonly kind: 'words'; readonly words: readonly string[] };

export interface OptionNode {
  /** `-n` and `--namespace`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Absent when it takes no value. */
  readonly value?: Completion;
}

export interface CommandNode {
  /** Words after the program's name: `node start`; empty for the program itself. */
  readonly path: string;
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionNode[];
  readonly argument: Completion;
}

/** The program and every visible command below it, with all their options. */
export function commandTree(command: Command, path = ''): readonly CommandNode[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const options = help.visibleOptions(command).map((option): OptionNode => ({
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description: option.description,
    ...(option.required || option.optional ? { value: completionOf(option.flags, option.argChoices) } : {}),
  }));
  const [argument] = command.registeredArguments;
  const own: CommandNode = {
    path,
    description: command.description(),
    commands: commands.map((child) => ({ name: child.name(), description: child.description() })),
    options,
    argument: argument === undefined ? { kind: 'none' } : completionOf(argument.name(), argument.argChoices),
  };
  return [own, ...commands.flatMap((child) => commandTree(child, `${path} ${child.name()}`.trim()))];
}

/** What arguments of such names are, as kubectl calls it for short. */
const OBJECTS: Readonly<Record<string, 'vm' | 'ost' | 'osm'>> = { vm: 'vm', tenant: 'ost', migration: 'osm' };

function completionOf(name: string, choices: readonly string[] | undefined): Completion {
  if (choices !== undefined) return { kind: 'words', words: choices };
  const of = OBJECTS[name];
  if (of !== undefined) return { kind: 'objects', of };
  return /<(file|folder|path|archive)>/.test(name) ? { kind: 'files' } : { kind: 'none' };
}

/** Flags of all commands that take a value: the word after them is no command. */
export function valueFlags(tree: readonly CommandNode[]): readonly string[] {
  return [...new Set(tree.flatMap(({ options }) => options.filter(({ value }) => value !== undefined).flatMap(({ flags }) => flags)))].sort();
}
