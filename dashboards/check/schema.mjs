// Hold the dashboards against a JSON schema that is made of Grafana's own types.
//
//   node schema.mjs FILE…      exit code 1 if a file does not fit

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import Ajv from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const HERE = dirname(fileURLToPath(import.meta.url));

const schema = createGenerator({
  path: join(HERE, 'schema', 'board.ts'),
  tsconfig: join(HERE, 'schema', 'tsconfig.json'),
  type: 'Board',
  additionalProperties: false,
}).createSchema('Board');

const files = process.argv.slice(2);
if (!files.length) {
  console.error('name at least one dashboard: node schema.mjs FILE…');
  process.exit(64);
}

const validate = new Ajv({ allErrors: true, strict: false }).compile(schema);

/** The complaint that says most: the deepest one, as the others are about branches of a union that were not meant. */
function deepest(errors) {
  return [...errors].sort((a, b) => b.instancePath.length - a.instancePath.length)[0];
}

let failed = 0;
for (const file of files) {
  const board = JSON.parse(await readFile(file, 'utf8'));
  if (validate(board)) {
    console.log(`ok   ${file}: ${board.panels.length} panels fit Grafana's types`);
    continue;
  }
  failed += 1;
  const { instancePath, message, params } = deepest(validate.errors);
  console.log(`FAIL ${file}: ${instancePath || '/'} ${message} ${JSON.stringify(params)}`);
}
process.exitCode = failed ? 1 : 0;
