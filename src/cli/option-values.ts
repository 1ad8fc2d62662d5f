import { InvalidArgumentError } from 'commander';

/** Parsers of option values, as commander calls them. */
export function countOfNodes(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 99) throw new InvalidArgumentError('It is a number from 1 to 99.');
  return value;
}

/** A parser of repeatable values of which there are a few. */
export function appendChoice<T extends string>(choices: readonly T[]): (value: string, before: readonly T[]) => readonly T[] {
  return (value, before) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new InvalidArgumentError(`It is one of ${choices.join(', ')}.`);
    return before.includes(choice) ? before : [...before, choice];
  };
}

export function append(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

export function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('it must be a number of seconds');
  return value;
}
