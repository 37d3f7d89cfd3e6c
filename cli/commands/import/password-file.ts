/** What a line of a password file has to fit. */
export interface DatabaseLogin {
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
}

/**
 * The password of a login in a file as PostgreSQL's own programs read it (`.pgpass`): lines of
 * `host:port:database:user:password`, `*` for any, a backslash before `:` and `\`, `#` before remarks. The
 * first line that fits counts; `null` where none does.
 */
export function passwordOf(text: string, login: DatabaseLogin): string | null {
  const asked = [login.host, login.port, login.database, login.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = fieldsOf(line);
    const password = fields[4];
    const fits = asked.every((value, at) => fields[at] === '*' || unescaped(fields[at]) === value);
    if (password !== undefined && fits) return unescaped(password) ?? null;
  }
  return null;
}

/** Splits at colons; the password is the rest of the line. */
function fieldsOf(line: string): readonly string[] {
  const fields = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/;
  return fields.exec(line)?.slice(1) ?? [];
}

function unescaped(field: string | undefined): string | undefined {
  return field?.replace(/\\(.)/g, '$1');
}
