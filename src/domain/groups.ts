/** Which Auto Scaling groups are ours: by name, or by a pattern in which `*` stands for any characters. */

export interface GroupChoice {
  /** How a sentence names it: the name of the group, or the pattern as the operator wrote it. */
  readonly text: string;
  /** The name of the group; of a pattern, what is between its wildcards. */
  readonly parts: readonly string[];
  /** The cluster of its instances, where the settings name one. */
  readonly cluster: string | undefined;
}

/** The one group of this name. */
export function groupNamed(name: string, cluster?: string): GroupChoice {
  return { text: name, parts: [name], cluster };
}

export function isPattern({ parts }: GroupChoice): boolean {
  return parts.length > 1;
}

/** The entry that makes the group ours; undefined if there is none. Its name comes before any pattern, and an earlier pattern before a later one. */
export function choiceOf(choices: readonly GroupChoice[], name: string): GroupChoice | undefined {
  const exact = choices.find((choice) => !isPattern(choice) && choice.text === name);
  return exact ?? choices.find((choice) => isPattern(choice) && isMatch(choice, name));
}

/** The choices that none of the groups with these names is chosen by. */
export function choicesWithout(names: readonly string[], choices: readonly GroupChoice[]): GroupChoice[] {
  return choices.filter((choice) => !names.some((name) => choiceOf([choice], name)));
}

function isMatch({ parts }: GroupChoice, name: string): boolean {
  const [first = '', ...others] = parts;
  const last = others.pop() ?? '';
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let rest = name.slice(first.length, name.length - last.length);
  // The earliest place of each part leaves the most room for the next ones.
  for (const part of others) {
    const at = rest.indexOf(part);
    if (at < 0) return false;
    rest = rest.slice(at + part.length);
  }
  return true;
}
