import { SCAN_COUNTS } from '../../log/scan-event.ts';

const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const image = { type: 'string', description: 'host/repo:tag or host/repo@sha256:…' } as const;
const parameter = (name: string, schema: object, where = 'query'): object => ({
  name,
  in: where,
  required: where === 'path',
  schema,
});
const json = (description: string, properties: object): object => ({
  description,
  content: { 'application/json': { schema: { type: 'object', properties } } },
});
const errors = {
  '400': { description: 'the request could not be read' },
  '401': { description: 'an identity is needed' },
  '403': { description: 'the identity lacks the right, or upstream refused' },
  '404': { description: 'there is no such image' },
  '503': { description: 'could not find out; try again after Retry-After seconds' },
};
const webhook = (summary: string): object => ({
  post: {
    summary,
    description: 'For the API server of Kubernetes: any Host, no identity. See docs/admission.md.',
    security: [],
    parameters: [
      parameter('timeout', { type: 'string', pattern: '^[0-9]{1,3}s$', default: '10s' }),
    ],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/AdmissionReview' } } },
    },
    responses: {
      '200': {
        description: 'an AdmissionReview whose response allows or denies, with the reason',
        content: {
          'application/json': { schema: { $ref: '#/components/schemas/AdmissionReview' } },
        },
      },
      '400': { description: 'no AdmissionReview of admission.k8s.io/v1 in strict JSON' },
      '413': { description: 'more than 3 MiB' },
      '503': { description: 'nothing could be read now; try again' },
    },
  },
});
const body = (required: readonly string[], properties: object): object => ({
  required: true,
  content: {
    'application/json': {
      schema: { type: 'object', required, properties, additionalProperties: false },
    },
  },
});

const OPENAPI = {
  openapi: '3.1.0',
  info: { title: 'Countersign', version: '1', license: { name: 'Apache-2.0' } },
  security: [{ basic: [] }],
  components: {
    securitySchemes: { basic: { type: 'http', scheme: 'basic' } },
    schemas: {
      AdmissionReview: {
        type: 'object',
        required: ['apiVersion', 'kind'],
        properties: {
          apiVersion: { const: 'admission.k8s.io/v1' },
          kind: { const: 'AdmissionReview' },
          request: { type: 'object' },
          response: { type: 'object' },
        },
      },
    },
  },
  paths: {
    '/api/v1/decisions': {
      post: {
        summary: 'What the gate decides on an image',
        requestBody: body(['image'], {
          image,
          action: { enum: ['pull', 'push'], default: 'pull' },
          record: {
            type: 'boolean',
            default: true,
            description: 'false, for administrators: answered without a record, for pulls only',
          },
          survey: {
            type: 'string',
            pattern: '^[A-Za-z0-9_-]{1,64}$',
            description:
              'with "record": false, answers of one name may share evidence for 10 minutes',
          },
          size: {
            type: 'boolean',
            default: false,
            description:
              'true, for who may push: tells the size of the manifest, which is signed too',
          },
        }),
        responses: {
          '200': json('the decision', {
            decision: { enum: ['allow', 'deny'] },
            image,
            digest: text,
            policy: { type: ['object', 'null'], properties: { name: text, revision: text } },
            reason: { type: 'object', properties: { code: text, message: text } },
            findings: {
              type: 'array',
              items: {
                type: 'object',
                properties: {
                  format: text,
                  authority: { type: ['string', 'null'] },
                  status: { enum: ['valid', 'invalid', 'absent', 'inconclusive'] },
                  reason: text,
                },
              },
            },
            record: { type: ['integer', 'null'] },
            size: {
              type: ['integer', 'null'],
              description:
                'with "size": true: bytes of the manifest, null where the registry lacks it',
            },
            contains: {
              type: 'integer',
              description:
                'with "record": false: manifests that the image contains, now known to the gate',
            },
            basis: {
              type: 'string',
              description:
                'with "record": false: changes with the policies and revocations in force',
            },
          }),
          ...errors,
        },
      },
    },
    '/api/v1/scans': {
      post: {
        summary: 'Record that whole repositories were asked about without a record',
        requestBody: body(['repositories', 'counts', 'complete'], {
          repositories: {
            type: 'array',
            items: { type: 'string', description: 'host/repo, or host/** for a whole registry' },
            minItems: 1,
            maxItems: 32,
          },
          counts: {
            type: 'object',
            required: [...SCAN_COUNTS],
            properties: Object.fromEntries(SCAN_COUNTS.map((name) => [name, count])),
            additionalProperties: false,
          },
          complete: { type: 'boolean' },
        }),
        responses: { '200': json('recorded', { record: { type: 'integer' } }), ...errors },
      },
    },
    '/api/v1/holds': {
      get: {
        summary: 'Pushes that wait for a signature',
        parameters: [parameter('image', image)],
        responses: {
          '200': json('in order of arrival', {
            holds: { type: 'array', items: { type: 'object' } },
          }),
          ...errors,
        },
      },
    },
    '/api/v1/holds/{id}': {
      delete: {
        summary: 'Drop a push that waits: for who pushed it, and for administrators',
        parameters: [parameter('id', { type: 'integer' }, 'path')],
        responses: { '200': json('dropped', { dropped: { type: 'object' } }), ...errors },
      },
    },
    '/api/v1/holds/{id}/manifest': {
      get: {
        summary: 'The bytes of a held manifest, or of one that it contains',
        parameters: [parameter('id', { type: 'integer' }, 'path'), parameter('digest', text)],
        responses: { '200': { description: 'raw manifest bytes' }, ...errors },
      },
    },
    '/api/v1/revocations': {
      get: {
        summary: 'Revocations in force',
        responses: {
          '200': json('oldest first', {
            revocations: { type: 'array', items: { type: 'object' } },
          }),
          ...errors,
        },
      },
      post: {
        summary: 'Take trust from a tag, a digest or a key, or give it back',
        requestBody: body([], {
          image,
          key: text,
          reason: text,
          undo: { type: 'boolean', default: false },
        }),
        responses: {
          '200': json('in force', {
            revocation: { type: 'object' },
            undone: { type: 'boolean' },
            record: { type: 'integer' },
          }),
          ...errors,
        },
      },
    },
    '/api/v1/history': {
      get: {
        summary: 'The record, newest first',
        parameters: [
          parameter('image', image),
          parameter('before', { type: 'integer' }),
          parameter('limit', { type: 'integer', maximum: 1000 }),
          parameter('type', text),
          parameter('log', { enum: ['sig', 'dec'] }),
          parameter('index', { type: 'integer' }),
        ],
        responses: {
          '200': json('one page', {
            events: { type: 'array', items: { type: 'object' } },
            next: { type: ['integer', 'null'] },
          }),
          ...errors,
        },
      },
    },
    '/api/v1/repositories': {
      get: {
        summary: 'Repositories with trust data (Notary v1), and the root that each is held to',
        parameters: [
          parameter('after', text),
          parameter('limit', { type: 'integer', minimum: 1, maximum: 200, default: 100 }),
          parameter('repository', {
            ...text,
            description: 'this one alone, with "problem"; not with the others',
          }),
        ],
        responses: {
          '200': json('one page, in order; "next" goes on as "after"', {
            repositories: {
              type: 'array',
              items: {
                type: 'object',
                properties: {
                  repository: text,
                  root: {
                    type: ['object', 'null'],
                    properties: {
                      version: count,
                      keys: { type: 'array', items: text },
                      certificateExpires: { type: ['string', 'null'], format: 'date-time' },
                    },
                  },
                  versions: { type: 'object', additionalProperties: count },
                  problem: {
                    type: ['string', 'null'],
                    description: 'why its trust data do not count here',
                  },
                },
              },
            },
            next: { type: ['string', 'null'] },
          }),
          ...errors,
        },
      },
    },
    '/api/v1/roots/reset': {
      post: {
        summary: 'Accept whatever root a repository has or gets next',
        description: 'For administrators, where a root key is lost; recorded with its reason.',
        requestBody: body(['repository', 'reason'], {
          repository: text,
          reason: { type: 'string', minLength: 1, maxLength: 200 },
        }),
        responses: {
          '200': json('in force', { repository: text, reason: text }),
          ...errors,
        },
      },
    },
    '/admission/validate': webhook('Whether every image of an object may run'),
    '/admission/mutate': webhook('The digests that the tags of an object mean now'),
  },
} as const;

/**
 * The description of `/api/v1/` and the webhooks (OpenAPI 3.1), served at `/api/v1/openapi.json`.
 * `x-registry` is the name that the registry goes by, under which trust data are kept, for who asked by
 * another one.
 */
export function openApi(registry: string): object {
  return { ...OPENAPI, info: { ...OPENAPI.info, 'x-registry': registry } };
}
