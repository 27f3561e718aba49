import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { program } from 'commander';
import { type Finding, findings } from './findings.ts';

/** By file and rule, how many findings are older than the rule. */
type Backlog = Record<string, Record<string, number>>;

const ROOT = resolve(import.meta.dirname, '../..');
const BACKLOG = resolve(import.meta.dirname, 'backlog.json');
const FILES = [
  '*.md',
  'docs/**/*.md',
  'examples/**/*.{md,py,yaml}',
  '{src,terminal,cli,sandbox,deploy,bench,test}/**/*.{ts,cjs,js,yml,py}',
  'serverless.yml',
  '.ci/run',
];

const command = program
  .description('Checks the English of the documents, comments and messages.')
  .option(
    '-u, --update',
    'write what is there now into the backlog: its numbers should fall, and a reviewer sees where one rises',
  )
  .option('-a, --all', 'print the findings of the backlog too')
  .argument('[files...]', 'only these files')
  .parse();
const { update, all } = command.opts<{ update?: boolean; all?: boolean }>();

const files =
  command.args.length > 0
    ? command.args
    : globSync(FILES, { cwd: ROOT, exclude: ['**/node_modules', 'test/words/findings.test.ts'] }).sort();
const found = files.map((file) => ({
  file,
  byRule: Map.groupBy(findings(file, readFileSync(resolve(ROOT, file), 'utf8')), ({ rule }) => rule),
}));
const backlog: Backlog = JSON.parse(readFileSync(BACKLOG, 'utf8'));

if (update) {
  const now: Backlog = command.args.length > 0 ? { ...backlog } : {};
  for (const { file, byRule } of found) {
    now[file] = Object.fromEntries([...byRule].map(([rule, { length }]) => [rule, length]));
    if (byRule.size === 0) delete now[file];
  }
  const present = Object.entries(now).filter(([file]) => existsSync(resolve(ROOT, file)));
  writeFileSync(BACKLOG, `${JSON.stringify(Object.fromEntries(present), null, 2)}\n`);
} else {
  const shown = found.flatMap(({ file, byRule }) =>
    [...byRule].flatMap(([rule, some]) =>
      all || some.length > (backlog[file]?.[rule] ?? 0) ? some.map((finding) => lineOf(file, finding)) : [],
    ),
  );
  for (const line of shown) console.log(line);
  if (shown.length > 0 && !all) {
    console.log(
      '\nRewrite one of these sentences for each that is new. Names that are no English belong in dictionary.txt.',
    );
    process.exitCode = 1;
  }
}

function lineOf(file: string, { rule, line, text }: Finding): string {
  return `${file}:${line} ${rule} ${text}`;
}
