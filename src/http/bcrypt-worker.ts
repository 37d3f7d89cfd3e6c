import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';
import type { BcryptReply, BcryptRequest } from './bcrypt.ts';

/*
 * The thread that checks passwords: one check takes tens of milliseconds of computing on purpose,
 * during which the event loop would serve nobody.
 */
if (parentPort === null) throw new Error('this file is the thread of a check, not a program');
const port = parentPort;
port.on('message', ({ id, password, hash }: BcryptRequest) => {
  const reply: BcryptReply = { id, matches: compareSync(password, hash) };
  port.postMessage(reply);
});
