import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { program } from 'commander';
import { type Finding, findings } from './findings.ts';

const ROOT = resolve(import.meta.dirname, '../..');
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
  .argument('[files...]', 'only these files')
  .parse();

const files =
  command.args.length > 0
    ? command.args
    : globSync(FILES, { cwd: ROOT, exclude: ['**/node_modules', 'test/words/findings.test.ts'] }).sort();
const found = files.flatMap((file) =>
  findings(file, readFileSync(resolve(ROOT, file), 'utf8')).map((finding) => lineOf(file, finding)),
);
for (const line of found) console.log(line);
if (found.length > 0) {
  console.log('\nRewrite these sentences. Names that are no English belong in dictionary.txt.');
  process.exitCode = 1;
}

function lineOf(file: string, { rule, line, text }: Finding): string {
  return `${file}:${line} ${rule} ${text}`;
}
