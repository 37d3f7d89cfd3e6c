import type { Decision } from '../../policy/decision.ts';
import type { Caller } from '../access/caller.ts';
import type { DecisionRecorder, GateCounters } from '../ports.ts';

/** Records and counts decisions on their way out. */
export class Recording {
  readonly #recorder: DecisionRecorder;
  readonly #counters: GateCounters;
  /** Numbers of cached pull allows: the warm path only counts. */
  readonly #known = new WeakMap<Decision, number>();

  constructor(recorder: DecisionRecorder, counters: GateCounters) {
    this.#recorder = recorder;
    this.#counters = counters;
  }

  /** Records a decision before it is answered; its number, or `null` for a refusal that could not be recorded. Throws for an allow that could not be. */
  async record(decision: Decision, caller: Caller): Promise<number | null> {
    const { action } = decision.subject;
    this.#counters.decision(action, decision.decision, decision.reason.code);
    const known = this.#known.get(decision);
    if (known !== undefined) {
      this.#recorder.repeat(known);
      return known;
    }
    const record = await this.#recorder.decision(decision, caller.name);
    if (record !== null && decision.decision === 'allow' && action === 'pull')
      this.#known.set(decision, record);
    return record;
  }
}
