import type { Json, JsonObject } from '../../../src/lib/json.ts';
import { isArray, isCount, isObject } from '../../../src/lib/json.ts';
import { isDigest, shortDigest } from '../../../src/oci/digest.ts';
import { printable } from '../../../src/oci/refusal.ts';
import { textOf } from '../../api/answer.ts';

/** Events as a table for a person: when, which record, what, who, of which image, why. */
export function historyTable(events: readonly JsonObject[]): string {
  const rows = [['TIME', 'RECORD', 'WHAT', 'WHO', 'IMAGE', 'WHY'], ...events.map(rowOf)];
  const widths =
    rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rowOf(event: JsonObject): string[] {
  const time = textOf(event['time'])
    .replace('T', ' ')
    .replace(/\.[0-9]+Z$/, 'Z');
  const record = `${textOf(event['log'])}/${isCount(event['index']) ? event['index'] : '?'}`;
  const data = isObject(event['data']) ? event['data'] : {};
  const what = textOf(event['type']);
  return [time, record, what, textOf(event['actor']), imageOf(event), whyOf(what, data)].map(
    printable,
  );
}

function imageOf(event: JsonObject): string {
  const repository = textOf(event['repository']);
  if (repository === '') return '-';
  const tag = textOf(event['tag']);
  const digest = short(event['digest']);
  return `${repository}${tag === '' ? '' : `:${tag}`}${digest === '' ? '' : `@${digest}`}`;
}

/** A digest cut to what messages show, any other text to sixteen characters. */
function short(value: Json | undefined): string {
  const text = textOf(value);
  return isDigest(text) ? shortDigest(text) : text.slice(0, 16);
}

/** One line of reason; what only a later version writes is shown by its type alone. */
function whyOf(type: string, data: JsonObject): string {
  const text = (name: string): string => textOf(data[name]);
  const policy = isObject(data['policy']) ? `policy ${textOf(data['policy']['name'])}` : '';
  switch (type) {
    case 'allow':
    case 'deny':
      // The message is that of the refusal that it would have been.
      return `${text('action')}${text('code') === 'WARNED' ? ', only warned' : ''}: ${text('message')}`;
    case 'signature':
      return `by ${text('authority')} (${text('format')}, key ${short(data['keyId'])})`;
    case 'revocation':
    case 'revocation-undone':
      return [
        data['kind'] === 'key' ? `key ${short(data['keyId'])}` : text('kind'),
        ...(text('reason') === '' ? [] : [text('reason')]),
      ].join(': ');
    case 'hold':
      return `until ${instant(data['expiresAt'])}`;
    case 'promotion-intended':
      return `${policy} (${text('code')})`;
    case 'hold-expired':
      return `no signature by ${instant(data['expiresAt'])}`;
    case 'policy-loaded':
      return `revision ${short(data['revision'])}, ${isCount(data['fileCount']) ? data['fileCount'] : '?'} files`;
    case 'exception-used':
      return `${policy}, approved by ${text('approvedBy')}: ${text('reason')}`;
    case 'key-registered':
      return `${text('authority')}: ${text('keyType')} key ${short(data['keyId'])}`;
    case 'deletion':
      return `${text('kind')}, passed on to the registry`;
    case 'scan':
      return scanOf(data);
    case 'summary':
      return summaryOf(data);
    default:
      return text('reason') || text('message');
  }
}

function scanOf(data: JsonObject): string {
  const counts = isObject(data['counts']) ? data['counts'] : {};
  const parts = Object.entries(counts).map(
    ([name, value]) => `${isCount(value) ? value : '?'} ${name}`,
  );
  const names = isArray(data['repositories']) ? data['repositories'].map(textOf) : [];
  const end = data['complete'] === true ? '' : ' (broken off)';
  return `${names.join(', ')}: ${parts.join(', ')}${end}`;
}

function summaryOf(data: JsonObject): string {
  const pairs = isArray(data['repeats']) ? data['repeats'].filter(isArray) : [];
  const times = pairs.reduce((sum, pair) => sum + (isCount(pair[1]) ? pair[1] : 0), 0);
  const more =
    isCount(data['unrecorded']) && data['unrecorded'] > 0
      ? `, ${data['unrecorded']} unrecorded`
      : '';
  return `${times} repeats of ${pairs.length} records${more}`;
}

function instant(value: Json | undefined): string {
  if (!isCount(value) || value > 8.64e15) return 'an unknown time';
  return new Date(value)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.[0-9]+Z$/, 'Z');
}
