import { describe, expect, it } from 'vitest';
import { kindName, placeOf } from '../../src/admission/kinds.ts';
import { WORKLOADS } from '../support/admission.ts';

const place = (group: string, version: string, kind: string, subResource = '') =>
  placeOf({ group, version, kind }, subResource);

describe('where a kind keeps its pod spec', () => {
  it.each(WORKLOADS)('is known for $kind, by whatever subresource it comes', (workload) => {
    const path = workload.at.slice(1).split('/');
    for (const subResource of ['', 'status', 'ephemeralcontainers', 'resize', 'scale', 'new'])
      expect(place(workload.group, 'v1', workload.kind, subResource)).toEqual({
        kind: 'pod-spec',
        path,
      });
  });

  it('T-47: is nowhere in a Scale, a Binding or an Eviction, as the subresource that each is', () => {
    expect(place('autoscaling', 'v1', 'Scale', 'scale')).toEqual({ kind: 'nothing' });
    expect(place('', 'v1', 'Binding', 'binding')).toEqual({ kind: 'nothing' });
    expect(place('policy', 'v1', 'Eviction', 'eviction')).toEqual({ kind: 'nothing' });
    expect(place('autoscaling', 'v1', 'Scale', '')).toEqual({ kind: 'unknown' });
    expect(place('example.com', 'v1', 'Scale', 'scale')).toEqual({ kind: 'unknown' });
  });

  it('T-50: is unknown for every other kind, group and version', () => {
    for (const [group, version, kind] of [
      ['apps', 'v2', 'Deployment'],
      ['extensions', 'v1beta1', 'Deployment'],
      ['', 'v1', 'Deployment'],
      ['example.com', 'v1', 'Pod'],
      ['serving.knative.dev', 'v1', 'Service'],
      ['', 'v1', 'constructor'],
      ['/', '', 'v1/Pod'],
    ] as const)
      expect(place(group, version, kind)).toEqual({ kind: 'unknown' });
    expect(kindName({ group: 'apps', version: 'v2', kind: 'Deployment' })).toBe(
      'Deployment.apps/v2',
    );
  });
});
