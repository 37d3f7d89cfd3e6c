import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import type { Attacked } from '../support/attacked.ts';
import { attackedGates } from '../support/attacked.ts';
import { manifestAt } from '../support/team-app.ts';

const MINUTES = { timeout: 30_000 };

/** Sends the beginning of a request, waits until upstream was asked where `asked` says so, and hangs up. */
async function hangUp(gate: Attacked, head: string, body: string, asked: boolean): Promise<void> {
  gate.asked();
  const { hostname, port } = new URL(gate.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(`${head}\r\nhost: ${gate.host}\r\n\r\n${body}`);
  if (asked) await vi.waitFor(() => expect(gate.asked()).not.toEqual([]), MINUTES);
  socket.destroy();
}

/** The line that the request left in the log, once it is there, and lines of any other kind. */
async function logged(gate: Attacked, method: string) {
  const lines = () =>
    gate
      .logs()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const isRequest = (line: Readonly<Record<string, unknown>>) => line['message'] === 'request';
  const find = () => lines().find((one) => isRequest(one) && one['method'] === method);
  await vi.waitFor(() => expect(find()).toBeDefined(), MINUTES);
  const trouble = lines().filter((one) => !isRequest(one) && one['message'] !== 'policies loaded');
  return { line: find(), trouble };
}

describe('a client that goes away', () => {
  const attacked = attackedGates();
  const session = '/v2/team/app/blobs/uploads/1713dac26f034311b35e4a2c065733eb';
  const type = 'content-type: application/octet-stream';

  it.each([
    ['in an upload', `PATCH ${session} HTTP/1.1\r\n${type}\r\ncontent-length: 1000`, 'abc'],
    [
      'in an upload in chunks',
      `PATCH ${session} HTTP/1.1\r\n${type}\r\ntransfer-encoding: chunked`,
      '3\r\nabc\r\n',
    ],
    ['before it has a list', 'GET /v2/team/app/tags/list HTTP/1.1', ''],
    ['before it has a blob', `GET /v2/team/app/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`, ''],
  ])('%s is logged as that, and not as trouble with the registry', async (_, head, body) => {
    const gate = await attacked();
    // The registry never answers.
    gate.fault(() => true);
    await hangUp(gate, head, body, true);
    const { line, trouble } = await logged(gate, head.split(' ', 1)[0] ?? '');
    expect(line).toMatchObject({ aborted: true, status: 499 });
    expect(trouble).toEqual([]);
  });

  it('in a push of a manifest is logged as that', async () => {
    const gate = await attacked();
    const head = `PUT ${manifestAt('1')} HTTP/1.1\r\n${type}\r\ncontent-length: 1000`;
    await hangUp(gate, head, 'abc', false);
    const { line, trouble } = await logged(gate, 'PUT');
    expect(line).toMatchObject({ aborted: true, status: 499 });
    expect(trouble).toEqual([]);
  });
});
