import { ERRORS } from '../src/lib/errors.ts';

const INTRODUCTION = `# Errors

Every refusal has one code. This page is generated from the table in \`src/lib/errors.ts\`
(\`npm run docs\`); do not edit it.

- **Code** is what the log line of a request (\`code\`), the metric \`countersign_refusals_total\`, decisions and \`--output json\` say.
- **HTTP** and **OCI code** are what a registry client gets: status, and \`errors[0].code\` of the JSON body. The sentence in \`errors[0].message\` is also the reason phrase of the status line.
- **Exit** is the exit status of a command that fails with the code: 1 denied or not trusted, 2 wrong usage or input, 3 could not find out. 0 is the only success.

A 403 is a verdict: the same request gets the same answer until something is signed, revoked or
configured. A 503 is none: Countersign could not find out, lets nothing through meanwhile, and says
with \`Retry-After\` when to ask again.

| Code | HTTP | OCI code | Exit | Meaning |
| ---- | ---- | -------- | ---- | ------- |
`;

/** The text of docs/errors.md, made from the error table. */
export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, row]) =>
      `| \`${code}\` | ${row.http} | \`${row.oci}\` | ${row.exit} | ${row.meaning} |\n`,
  );
  return INTRODUCTION + rows.join('');
}
