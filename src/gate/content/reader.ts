import type { Caller } from '../access/caller.ts';
import type { GateRegistry } from '../ports.ts';

/**
 * Whose rights upstream sees: the caller's where it judges callers itself, else the gate's own, for
 * everybody. What is remembered of upstream's answers is keyed by it, so that a header that upstream
 * never sees splits no cache, and one that it sees is never taken for another.
 */
export function readerOf(registry: GateRegistry, caller: Caller): string {
  return registry.upstreamJudges ? caller.credentialKey : 'gate';
}
