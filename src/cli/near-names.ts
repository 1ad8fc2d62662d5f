/** Up to three of the names that were probably meant: those that contain the word or are few edits away, nearest first. */
export function nearNames(word: string, names: readonly string[]): readonly string[] {
  const furthest = Math.max(1, Math.floor(word.length / 3));
  return names
    .map((name) => ({ name, distance: name.includes(word) || word.includes(name) ? 0.5 : editDistance(word, name) }))
    .filter(({ distance }) => distance <= furthest)
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** The end of a "there is no such" message: what was probably meant, else all there is. */
export function namesHint(word: string, names: readonly string[]): string {
  const near = nearNames(word, names);
  if (near.length > 0) return `Did you mean ${near.join(' or ')}?`;
  return names.length === 0 ? 'There are none.' : `There are: ${names.slice(0, 40).join(', ')}.`;
}

/** Levenshtein's distance, with two neighbours that changed places as one edit. */
export function editDistance(a: string, b: string): number {
  let [older, previous]: [readonly number[], readonly number[]] = [[], Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      current.push(Math.min(
        (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (previous[column - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (older[column - 2] ?? 0) + 1 : Infinity,
      ));
    }
    [older, previous] = [previous, current];
  }
  return previous[b.length] ?? 0;
}
