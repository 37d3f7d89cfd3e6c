// What a terminal obeys instead of showing it, and what turns the direction of text: ESC and its single
// characters (C1), all of C0 but tab and line feed, and invisible marks. Of colours those may pass that
// our own text has (red, green and back): black on black, or white on white, would hide a line.
const OBEYED =
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  /\u001b(?!\[3[129]m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Text as a terminal may get it: names come from registries, trust servers, dumps and other people's
 * files, and none of them may move the cursor, rename the window or hide a line.
 */
export function display(text: string): string {
  return text.replaceAll(OBEYED, '\ufffd');
}

/** The same for a name in a line: what contains line feeds cannot add lines of its own. */
export function oneLine(text: string): string {
  return display(text.replaceAll('\u001b', '\ufffd')).replaceAll(/\s*\n\s*/g, ' ');
}

/** JSON text with what a terminal obeys escaped; it says the same. */
export function displayJson(json: string): string {
  return json.replaceAll(OBEYED, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
