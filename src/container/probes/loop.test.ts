import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { ProbeLoop, type ProbeLoopOptions, type ProbeTiming } from './loop.ts';

const timing: ProbeTiming = { initialDelaySeconds: 0, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 };

/** What a try brings: success, failure, or nothing. */
type Outcome = '+' | '-' | '?';

/** A loop over these outcomes, the last of which goes on for ever; time stands still until it is advanced. */
function given(outcomes: string, options: { readonly timing?: Partial<ProbeTiming>; readonly initially?: boolean | undefined; readonly startedAtMs?: number; readonly takesMs?: number } = {}) {
  const clock = new ManualClock(1_000_000);
  const [told, tries, streaks]: [string[], number[], number[]] = [[], [], []];
  const seconds = (): number => (clock.now() - 1_000_000) / 1000;
  const probe: ProbeLoopOptions['probe'] = async ({ signal }) => {
    const outcome = (outcomes[tries.length] ?? outcomes.at(-1)) as Outcome;
    tries.push(seconds());
    if (options.takesMs !== undefined) await clock.sleep(options.takesMs, signal);
    if (outcome === '?') throw new Error('nobody knows');
    return { ok: outcome === '+', message: outcome };
  };
  const loop = new ProbeLoop({
    timing: { ...timing, ...options.timing }, startedAtMs: options.startedAtMs ?? clock.now(), initially: options.initially,
    probe, onTry: (_result, inRow) => void streaks.push(inRow), onChange: ({ message }) => void told.push(`${message} at ${seconds()}`), clock, log: silentLog,
  });
  return { clock, loop, told, tries, streaks };
}

describe('when a probe tries', () => {
  const table: readonly (readonly [what: string, given: Parameters<typeof given>[1], tries: readonly number[]])[] = [
    ['at once and then each period', {}, [0, 10, 20, 30]],
    ['after its initial delay', { timing: { initialDelaySeconds: 15 } }, [15, 25, 35]],
    ['after what is left of the delay, which counts from the start of what is probed', { timing: { initialDelaySeconds: 15 }, startedAtMs: 1_000_000 - 12_000 }, [3, 13, 23, 33]],
    ['at once when the delay is long over', { timing: { initialDelaySeconds: 15 }, startedAtMs: 0 }, [0, 10, 20, 30]],
    ['at once when the start lies in the future, by the clock of a guest', { startedAtMs: 1_000_000 + 240_000 }, [0, 10, 20, 30]],
    ['never twice at a time', { timing: { periodSeconds: 2 }, takesMs: 7000 }, [0, 7, 14, 21, 28, 35]],
    ['each period from start to start', { takesMs: 4000 }, [0, 10, 20, 30]],
  ];
  for (const [what, options, expected] of table) {
    it(what, async () => {
      const { clock, loop, tries } = given('+', options);
      await clock.advance(35_000);
      loop[Symbol.dispose]();
      assert.deepEqual(tries, expected);
    });
  }
});

describe('what a probe tells', () => {
  const table: readonly (readonly [what: string, outcomes: string, options: Parameters<typeof given>[1], told: readonly string[]])[] = [
    ['nothing while all is well', '+', { initially: true }, []],
    ['a failure at the third in a row', '+---', { initially: true }, ['- at 30']],
    ['nothing of failures with a success in between', '--+--+', { initially: true }, []],
    ['one failure, however long it goes on', '-', { initially: true }, ['- at 20']],
    ['that it is well again', '---+', { initially: true }, ['- at 20', '+ at 30']],
    ['that it is well again after enough successes', '---+-+++', { initially: true, timing: { successThreshold: 3 } }, ['- at 20', '+ at 70']],
    ['the first success where nothing held before', '+', {}, ['+ at 0']],
    ['the first failure where nothing held before', '-', {}, ['- at 20']],
    ['no failure where that is what held before', '-', { initially: false }, []],
    ['at the first when one is enough', '-', { initially: true, timing: { failureThreshold: 1 } }, ['- at 0']],
    ['nothing of tries that bring nothing, which count neither way', '-?-??-', { initially: true }, ['- at 50']],
  ];
  for (const [what, outcomes, options, expected] of table) {
    it(what, async () => {
      const { clock, loop, told } = given(outcomes, options);
      await clock.advance(75_000);
      loop[Symbol.dispose]();
      assert.deepEqual(told, expected);
    });
  }

  it('of each try how many in a row it is', async () => {
    const { clock, loop, streaks } = given('--+?+-', {});
    await clock.advance(55_000);
    loop[Symbol.dispose]();
    assert.deepEqual(streaks, [1, 2, 1, 2, 1]);
  });

  it('nothing once it is disposed of, not even of the try under way', async () => {
    const { clock, loop, told, tries } = given('-', { initially: true, timing: { failureThreshold: 1 }, takesMs: 500 });
    await clock.advance(100);
    loop[Symbol.dispose]();
    await clock.advance(60_000);
    assert.deepEqual([told, tries], [[], [0]]);
  });
});
