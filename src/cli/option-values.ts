import { InvalidArgumentError } from 'commander';

/** Parsers of option values, as commander calls them. */
export function countOfNodes(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 99) throw new InvalidArgumentError('It is a number from 1 to 99.');
  return value;
}

export function append(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
