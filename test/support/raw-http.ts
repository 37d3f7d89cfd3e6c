import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends bytes as they are over a connection of their own and returns all that comes back until it ends. */
export async function sendRaw(base: string, text: string): Promise<string> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.setEncoding('latin1').on('data', (part: string) => (answer += part));
  // A server that cuts a hopeless connection is an answer too.
  socket.on('error', () => undefined);
  // Not ended from this side: a half-closed connection would be another test.
  socket.write(text, 'latin1');
  const closed = once(socket, 'close');
  const timer = setTimeout(() => socket.destroy(), 5000);
  await closed;
  clearTimeout(timer);
  return answer;
}

/** The status codes of the answers in what {@link sendRaw} returned. */
export const statusesOf = (text: string): number[] =>
  [...text.matchAll(/^HTTP\/1\.1 ([0-9]{3}) /gm)].map((match) => Number(match[1]));
