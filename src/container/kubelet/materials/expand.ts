/**
 * `$(NAME)` becomes the value of NAME where there is one, `$$` a dollar sign; all else stays as it is.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */
export function expand(text: string, valueOf: (name: string) => string | undefined): string {
  return text.replaceAll(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => (name === undefined ? '$' : valueOf(name) ?? whole));
}

/** Looks names up among variables; the last of a name counts. */
export function lookupIn(environment: readonly { readonly key: string; readonly value: string }[]): (name: string) => string | undefined {
  return (name) => environment.findLast(({ key }) => key === name)?.value;
}
