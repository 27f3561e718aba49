import { paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { type Experiment, NotObservable, use, type World } from '../experiment.ts';
import { invoke } from './lambda.ts';
import { described, refusalOf, until } from './look.ts';

const CLEANS_UP = 'leaves its lines to the deletion of the stack';

/** What the filter patterns of CloudWatch Logs find. */
export const logs: readonly Experiment[] = [
  {
    facts: [86],
    title: 'Is a `?term` ignored beside a term that must be there?',
    open: true,
    needs: ['echo'],
    minutes: 3,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const word = newWord(world);
      const find = await finderIn(world, [`${word} first`, `${word} second`]);
      const found = await find(`${word} ?first`);
      return { saw: found === '0, 1' ? 'it is ignored' : `found: ${found}, of 0 and 1`, agrees: 'open' };
    },
  },
  {
    facts: [86],
    title: 'Does `!=` match where the property is missing?',
    open: true,
    needs: ['echo'],
    minutes: 3,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const word = newWord(world);
      const find = await finderIn(world, [JSON.stringify({ word, size: 1 }), JSON.stringify({ word })]);
      const found = await find(`{ $.word = "${word}" && $.size != 2 }`);
      return { saw: found === '0, 1' ? 'it matches' : `found: ${found}, where only 0 has it`, agrees: 'open' };
    },
  },
  {
    facts: [86],
    title: 'A pattern needs all terms, no `-term`, one `?term` of several, and a phrase word by word.',
    needs: ['echo'],
    minutes: 3,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const word = newWord(world);
      const [one, two, three] = [`${word}one`, `${word}two`, `${word}three`];
      const find = await finderIn(world, [`${one} ${two}`, one, three, `${two} ${one}`]);
      const all = await find(`${one} ${two}`);
      const without = await find(`${one} -${two}`);
      const either = await find(`?${two} ?${three}`);
      const phrase = await find(`"${one} ${two}"`);
      return {
        saw: `all: ${all}; without one: ${without}; one of two: ${either}; a phrase: ${phrase}`,
        agrees: all === '0, 3' && without === '1' && either === '0, 2, 3' && phrase === '0',
      };
    },
  },
  {
    facts: [86],
    title: 'Characters other than letters, digits and _ are refused outside quotes, in the documented words.',
    needs: ['echo'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const refusal = await refusalOf(messagesWith(world, 'one:two'));
      return {
        saw: described(refusal),
        agrees: refusal?.code === 'InvalidParameterException' && refusal.message === "Invalid character(s) in term ':'",
      };
    },
  },
  {
    facts: [86],
    title:
      'A pattern of JSON compares texts with `*` and numbers, finds null and what does not exist, and takes a hyphen.',
    needs: ['echo'],
    minutes: 3,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const word = newWord(world);
      const line = (more: object) => JSON.stringify({ word, ...more });
      const find = await finderIn(world, [
        line({ a: { b: ['xyz'] }, n: 5 }),
        line({ a: { b: ['yz'] }, n: 5, c: null }),
        line({ a: { b: ['xy'] }, n: 4, c: null }),
        line({ a: { b: ['xy'] }, n: 4, c: 1, 'detail-type': 'facts' }),
      ]);
      const ours = `$.word = "${word}"`;
      const compared = await find(`{ ${ours} && $.a.b[0] = "x*" && ($.n >= 5 || $.c IS NULL) }`);
      const missing = await find(`{ ${ours} && $.c NOT EXISTS }`);
      const hyphened = await find(`{ ${ours} && $.detail-type = "facts" }`);
      return {
        saw: `compared: ${compared}; NOT EXISTS: ${missing}; $.detail-type: ${hyphened}`,
        agrees: compared === '0, 2' && missing === '0' && hyphened === '3',
      };
    },
  },
];

/** A word that no line has had yet. */
function newWord(world: World): string {
  return `facts${Math.round(world.now())}`;
}

/** Writes lines to the log, and returns what finds by a pattern which of them, by their places. */
async function finderIn(world: World, lines: readonly string[]) {
  await invoke(world, use(world, 'echo').name, { lines });
  const all = await until(world, 120, async () => {
    const messages = await messagesWith(world, '');
    return lines.every((line) => messages.includes(line)) ? true : undefined;
  });
  if (!all) throw new NotObservable('what the function writes is not in its log within 120 s');
  return async (pattern: string): Promise<string> => {
    const messages = await messagesWith(world, pattern);
    const places = lines.flatMap((line, i) => (messages.includes(line) ? i : []));
    return places.join(', ') || 'none';
  };
}

/** The lines of the function's log that match a pattern. */
async function messagesWith(world: World, filterPattern: string): Promise<readonly string[]> {
  const messages: string[] = [];
  const asked = { logGroupName: use(world, 'echo').logGroup, ...(filterPattern && { filterPattern }) };
  for await (const { events = [] } of paginateFilterLogEvents({ client: world.logs }, asked)) {
    messages.push(...events.map(({ message = '' }) => message.trimEnd()));
  }
  return messages;
}
