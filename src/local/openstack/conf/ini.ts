export type Section = Readonly<Record<string, string | number | boolean>>;
export type Sections = Readonly<Record<string, Section>>;

/** The text of a configuration in the form that all of OpenStack reads. Throws nothing: values are ours, and have no line ends. */
export function iniText(sections: Sections): string {
  return Object.entries(sections).map(([name, settings]) => `[${name}]\n${Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`).join('')}`).join('');
}
