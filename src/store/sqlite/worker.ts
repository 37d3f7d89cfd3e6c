import { parentPort, workerData } from 'node:worker_threads';
import type { Reply, Request, WriterOptions } from './protocol.ts';
import { Writer, failureOf } from './writer.ts';

/*
 * The writer's thread: SQLite is synchronous and a commit waits for the disk, so writing happens off
 * the event loop. One batch at a time; the main thread sends the next when it has the outcomes.
 */
function start(port: NonNullable<typeof parentPort>): void {
  const reply = (message: Reply): void => port.postMessage(message);
  let writer: Writer;
  try {
    writer = new Writer(workerData as WriterOptions);
  } catch (error) {
    reply({ kind: 'failed', failure: failureOf(error) });
    return;
  }
  port.on('message', (request: Request) => {
    switch (request.kind) {
      case 'batch':
        reply({ kind: 'outcomes', outcomes: writer.run(request.commits, request.now) });
        break;
      case 'close':
        writer.close();
        port.close();
        break;
    }
  });
  reply({ kind: 'ready' });
}

if (parentPort === null) throw new Error('this file is the thread of a writer, not a program');
start(parentPort);
