import type { Command } from 'commander';
import { styleText } from 'node:util';
import type { Context } from '../commands.ts';
import type { Step } from '../demo/story.ts';
import { packageVersion } from '../version.ts';

const NEXT = `
Next, in front of your own registry (here one on localhost:5000):

  # a policy: everything signed by release-bot; and its key
  mkdir -p trust/keys && cp policies/default.yaml trust/
  npx countersign key generate release-bot --out trust/keys
  npx countersign serve --upstream http://localhost:5000 --policies trust

  # from another terminal, with an image that your registry has: refused, and why; signed; accepted
  docker pull localhost:5443/team/app:1.0
  npx countersign sign --key release-bot localhost:5443/team/app:1.0
  docker pull localhost:5443/team/app:1.0`;

/** `countersign demo`: the main job on a throw-away service. */
export function define(program: Command, context: Context): void {
  program
    .command('demo')
    .description('show the main job on a throw-away registry')
    .addHelpText(
      'after',
      '\nExample:\n  $ countersign demo\n\nIt listens on a free loopback port, needs no client and leaves nothing behind.',
    )
    .action(async () => run(context));
}

async function run(context: Context): Promise<void> {
  const { openStage } = await import('../demo/stage.ts');
  const { record, tell } = await import('../demo/story.ts');
  const { historyTable } = await import('./history/table.ts');
  const output = context.output();
  const stage = await openStage(packageVersion());
  try {
    output.note(`A throw-away registry with Countersign in front, on https://${stage.host}\n`);
    let number = 0;
    const steps = await tell(stage, (step) => output.note(paragraph(++number, step)));
    const events = await record(stage);
    const wrong = steps.filter((step) => step.happened !== step.expected);
    if (wrong.length > 0) context.exit(1);
    output.result({ steps, record: events, asExpected: wrong.length === 0 }, () =>
      ['The record, newest first:', historyTable(events), ...ending(steps), NEXT].join('\n'),
    );
  } finally {
    await stage.close();
  }
}

function paragraph(number: number, step: Step): string {
  const mark =
    step.happened === 'refused' ? styleText('red', 'refused ') : styleText('green', 'accepted');
  const surprise = step.happened === step.expected ? '' : `   (expected: ${step.expected})`;
  return `${number}. ${step.title}\n   $ ${step.command}\n   ${mark}  ${step.message}${surprise}\n`;
}

function ending(steps: readonly Step[]): readonly string[] {
  const line = (wanted: Step['happened']): string => {
    const found = steps.findLast(
      (step) => step.happened === wanted && step.command.startsWith('docker pull'),
    );
    return `  ${wanted.padEnd(8)}  ${found?.command ?? ''}\n            ${found?.message ?? ''}`;
  };
  return ['In short:', line('refused'), line('accepted')];
}
