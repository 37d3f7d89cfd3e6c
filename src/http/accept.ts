/**
 * Whether an Accept header takes a media type (RFC 9110, section 12.5.1): the most exact range that
 * matches decides, `q=0` refuses. No header takes everything. Says only whether what was decided on can
 * be shown to this client: it never selects what is decided on.
 */
export function accepts(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === '') return true;
  const kinds = ['*/*', `${mediaType.split('/', 1)[0]}/*`, mediaType];
  let exactness = -1;
  let taken = false;
  for (const range of header.split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const found = kinds.indexOf(name);
    if (found < 0 || found < exactness) continue;
    const wanted = !parameters.some((one) => /^q=0(?:\.0{0,3})?$/.test(one));
    taken = found === exactness ? taken || wanted : wanted;
    exactness = found;
  }
  return taken;
}

/** Whether an If-None-Match header names the entity tag of this digest (RFC 9110, section 13.1.2): the client has these bytes. */
export function knows(header: string | undefined, digest: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => one.trim().replace(/^W\//, '') === `"${digest}"`);
}
