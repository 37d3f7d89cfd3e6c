import { beforeAll, describe, expect, it } from 'vitest';
import { describeConformance } from '../support/conformance.ts';
import type { RunningRegistry } from '../support/registry.ts';
import { startRegistry } from '../support/registry.ts';
import { suiteScope } from '../support/scope.ts';

describe('the embedded registry conforms to distribution-spec 1.1', () => {
  const scope = suiteScope();
  let registry: RunningRegistry;
  beforeAll(async () => {
    registry = scope.own(await startRegistry(scope.folder()));
  });

  describeConformance(() => registry.url);

  it('reported no failure of its own meanwhile', () => {
    expect(registry.errors).toEqual([]);
  });
});
