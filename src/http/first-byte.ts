import type { Socket } from 'node:net';

/**
 * Waits for a connection's first byte and gives it back together with the socket, whose stream still
 * begins with it. A connection that says nothing within the time, fails or ends is destroyed, and the
 * callback never runs (T-70: silent connections hold nothing for long).
 */
export function firstByte(socket: Socket, waitMs: number, then: (byte: number) => void): void {
  const timer = setTimeout(() => socket.destroy(), waitMs);
  const ignore = (): void => {
    socket.destroy();
  };
  const gone = (): void => clearTimeout(timer);
  const readable = (): void => {
    const head = socket.read(1) as Buffer | null;
    // `null` is the end of the stream or a false alarm: the timer or 'close' ends the wait.
    if (head === null) return;
    clearTimeout(timer);
    socket.off('readable', readable);
    socket.off('end', ignore);
    socket.off('close', gone);
    socket.off('error', ignore);
    socket.unshift(head);
    then(head[0] ?? 0);
  };
  socket.on('readable', readable);
  socket.on('end', ignore);
  socket.on('close', gone);
  // Without a listener a reset by the peer would end the process.
  socket.on('error', ignore);
}
