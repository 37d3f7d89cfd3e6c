/** Text from outside as messages show it: in quotes, every odd character escaped, and not for ever. */
export function quote(text: string, most = 80): string {
  return JSON.stringify(text.slice(0, most));
}
