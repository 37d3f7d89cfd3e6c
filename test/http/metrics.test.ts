import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/http/metrics.ts';

const lines = (body: string): string[] =>
  body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

const events = () => Promise.resolve({ sig: 7, dec: 9 });
const rootCertificates = async () => ({
  earliest: new Date('2027-01-01T00:00:00Z'),
  within: { '30d': 0, '365d': 2 },
});

describe('metrics', () => {
  it('counts requests, decisions, failures and events, and shows what is in force', async () => {
    const metrics = createMetrics({ holdsWaiting: async () => 3, events, rootCertificates });
    metrics.request('manifest', 'GET', 200, 0.004);
    metrics.request('manifest', 'GET', 200, 0.004);
    metrics.decision('pull', 'deny', 'NOT_TRUSTED');
    metrics.decision('push', 'allow', 'TRUSTED');
    metrics.refusal('UPSTREAM_UNAVAILABLE');
    metrics.notary('by-hash', 200);
    metrics.policiesLoaded('a'.repeat(64));
    metrics.policiesLoaded('b'.repeat(64));
    metrics.reloaded('policies', false);
    const { contentType, body } = await metrics.expose();
    expect(contentType).toMatch(/^text\/plain/);
    expect(lines(body)).toEqual(
      expect.arrayContaining([
        'countersign_http_requests_total{route="manifest",method="GET",status="200"} 2',
        'countersign_http_request_duration_seconds_bucket{le="0.005",route="manifest"} 2',
        'countersign_decisions_total{action="pull",decision="deny",code="NOT_TRUSTED"} 1',
        'countersign_decisions_total{action="push",decision="allow",code="TRUSTED"} 1',
        'countersign_refusals_total{code="UPSTREAM_UNAVAILABLE"} 1',
        'countersign_record_events{log="sig"} 7',
        'countersign_record_events{log="dec"} 9',
        `countersign_policies_info{revision="${'b'.repeat(12)}"} 1`,
        'countersign_reload_ok{what="policies"} 0',
        'countersign_holds_waiting 3',
        'countersign_notary_requests_total{operation="by-hash",status="200"} 1',
        'countersign_root_certificate_expiry_seconds 1798761600',
        'countersign_root_certificates_ending{within="30d"} 0',
        'countersign_root_certificates_ending{within="365d"} 2',
      ]),
    );
    expect(body).not.toContain('aaaa');
  });

  it('stays up when the store does not answer', async () => {
    const down = (): never => {
      throw new Error('down');
    };
    const metrics = createMetrics({
      holdsWaiting: down,
      events: down,
      rootCertificates: down,
    });
    const { body } = await metrics.expose();
    expect(body).toMatch(/^countersign_holds_waiting nan$/im);
    expect(body).toMatch(/^countersign_root_certificate_expiry_seconds nan$/im);
  });

  it('makes no series of what clients send', async () => {
    const metrics = createMetrics({ holdsWaiting: () => 0, events, rootCertificates });
    const before = lines((await metrics.expose()).body).length;
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.integer(),
        fc.string(),
        (route, method, status, code) => {
          metrics.request(route, method, 404, 0);
          metrics.request(
            'manifest',
            `X-${method}`,
            status > 0 ? 9000 + status : -status - 1000,
            0,
          );
          metrics.decision(`x${route}`, code, `x${code}`);
          metrics.refusal(`x${code}`);
          metrics.notary(`x${route}`, status);
        },
      ),
      { numRuns: 500 },
    );
    const { body } = await metrics.expose();
    // Two routes of 18 lines in the histogram, and one or two series per counter.
    expect(lines(body).length - before).toBeLessThan(60);
  });
});
